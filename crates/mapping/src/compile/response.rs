//! The response: one tree of known names, built from outcome rules, fields and what is ignored.

use std::collections::{BTreeMap, BTreeSet};

use model::document::escape;
use model::{Decimal, FieldDef, FieldKind, Shape};

use super::Check;
use super::rules;
use super::values::{Scalars, Values};
use crate::convert::normal;
use crate::path::Name;
use crate::plan::{FieldView, RuleView};
use crate::raw::{self, Kind, Scalar};
use crate::read::tree::{
    Alternatives, FILTERS_MAX, FaultName, Leaf, MARKS_MAX, Mark, Marks, Node, Opens, PLACES_MAX, Plain, Rule, Scope, Target, Tree, Unit,
};

/// Most known names below one name, and most names of a mapping.
const CHILDREN_MAX: usize = 128;
const NODES_MAX: usize = 2_048;

/// Compiles the response; every problem is reported.
///
/// `tables` are those that the request has used.
pub(super) fn compile(check: &mut Check<'_>, values: &Values, tables: BTreeSet<String>) -> Option<(Tree, Vec<RuleView>, Vec<FieldView>)> {
    let raw = &check.raw.response;
    let mut builder = Builder { tables, ..Builder::new() };
    let record = builder.record(check, raw);
    let rules = rules::compile(check, &mut builder, record);
    if let Some(record) = record {
        let shape = &check.service.shape;
        let at = raw.at.as_deref().unwrap_or_default();
        builder.scopes.push(Scope::new(shape.fields.len(), at));
        builder.ignore(check, "/response/ignore", record, &raw.ignore);
        builder.fields(check, values, At { pointer: "/response/fields", scope: 0, base: record }, shape, &raw.fields);
    }
    if record.is_some() {
        values.unused(check, &builder.tables);
    }
    builder.structure(check);
    let shown = rules.iter().map(|(_, view)| view.clone()).collect();
    builder.views.sort_by_key(|(index, _)| *index);
    let tree = Tree {
        syntax: check.syntax(),
        nodes: builder.nodes,
        scopes: builder.scopes,
        faults: builder.faults,
        rules: rules.into_iter().map(|(rule, _)| rule).collect::<Vec<Rule>>(),
        at: raw.at.as_deref().unwrap_or("the answer").into(),
        confirming: check.service.confirms.iter().map(|rule| rule.field.clone()).collect(),
    };
    record.map(|_| (tree, shown, builder.views.into_iter().map(|(_, view)| view).collect()))
}

/// Where fields are being compiled.
#[derive(Debug, Clone, Copy)]
struct At<'a> {
    /// Pointer of the `fields` in the file.
    pointer: &'a str,
    /// Scope they fill.
    scope: usize,
    /// Node their paths start from.
    base: usize,
}

/// A field of the contract and how the mapping reads it.
#[derive(Debug, Clone, Copy)]
struct Mapped<'a> {
    /// Its place in the record.
    place: usize,
    def: &'a FieldDef,
    field: &'a raw::Field,
}

/// The tree under construction.
#[derive(Debug)]
pub(super) struct Builder {
    nodes: Vec<Node>,
    parents: Vec<usize>,
    scopes: Vec<Scope>,
    pub(super) faults: Vec<(FaultName, Mark)>,
    marks: usize,
    views: Vec<(usize, FieldView)>,
    tables: BTreeSet<String>,
    owners: Vec<Owner>,
    /// Next seen bit of each scope.
    seen: Vec<usize>,
}

/// Something that reads at a node: a value, a list, a count or a filter.
#[derive(Debug)]
struct Owner {
    node: usize,
    /// The record or item it belongs to, which must be the innermost one around the node.
    scope: usize,
    /// Its place in the file.
    pointer: String,
}

impl Scope {
    fn new(fields: usize, path: &str) -> Self {
        Self {
            fields,
            places: fields,
            lists: Vec::new(),
            plain_lists: Vec::new(),
            counts: Vec::new(),
            required: Vec::new(),
            alternatives: Vec::new(),
            units: Vec::new(),
            filters: 0,
            path: path.into(),
        }
    }
}

impl Builder {
    fn new() -> Self {
        Self {
            nodes: vec![Node::new(None, "", String::new())],
            parents: vec![0],
            scopes: Vec::new(),
            faults: Vec::new(),
            marks: 0,
            views: Vec::new(),
            tables: BTreeSet::new(),
            owners: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// The node at a path below another, made where it is new.
    pub(super) fn node(&mut self, base: usize, names: &[Name]) -> usize {
        let mut at = base;
        for name in names {
            let known = self.nodes[at].children.iter().copied().find(|child| {
                let child = &self.nodes[*child];
                child.ns == name.ns && child.name == name.local
            });
            at = known.unwrap_or_else(|| {
                let parent = &self.nodes[at].path;
                let path = if parent.is_empty() { name.text.to_string() } else { format!("{parent}/{}", name.text) };
                self.nodes.push(Node::new(name.ns.clone(), &name.local, path));
                self.parents.push(at);
                let new = self.nodes.len() - 1;
                self.nodes[at].children.push(new);
                new
            });
        }
        at
    }

    /// The ancestors of a node, itself first.
    pub(super) fn ancestors(&self, node: usize) -> impl Iterator<Item = usize> {
        let mut next = Some(node);
        std::iter::from_fn(move || {
            let here = next?;
            next = (here != 0).then(|| self.parents[here]);
            Some(here)
        })
    }

    fn mark(&mut self, check: &mut Check<'_>, pointer: &str) -> Mark {
        let number = self.marks.min(MARKS_MAX - 1);
        self.marks += 1;
        if self.marks == MARKS_MAX + 1 {
            check.problem(pointer, "too-many", "too many conditions", format!("at most {MARKS_MAX} different ones"));
        }
        Mark(u8::try_from(number).unwrap_or_default())
    }

    /// The mark for a node that comes by.
    pub(super) fn exists(&mut self, check: &mut Check<'_>, pointer: &str, node: usize) -> Marks {
        let mark = match self.nodes[node].exists {
            Some(mark) => mark,
            None => self.mark(check, pointer),
        };
        self.nodes[node].exists = Some(mark);
        mark.bit()
    }

    /// The mark for a node without content.
    pub(super) fn empty(&mut self, check: &mut Check<'_>, pointer: &str, node: usize) -> Marks {
        let mark = match self.nodes[node].empty {
            Some(mark) => mark,
            None => self.mark(check, pointer),
        };
        self.nodes[node].empty = Some(mark);
        mark.bit()
    }

    /// The mark for a node with a text.
    pub(super) fn equals(&mut self, check: &mut Check<'_>, pointer: &str, node: usize, text: &str) -> Marks {
        if let Some((_, mark)) = self.nodes[node].equals.iter().find(|(known, _)| **known == *text) {
            return mark.bit();
        }
        let mark = self.mark(check, pointer);
        self.nodes[node].equals.push((text.into(), mark));
        mark.bit()
    }

    /// The mark for a fault with a code.
    pub(super) fn fault(&mut self, check: &mut Check<'_>, pointer: &str, name: &FaultName) -> Marks {
        if let Some((_, mark)) = self.faults.iter().find(|(known, _)| known == name) {
            return mark.bit();
        }
        let mark = self.mark(check, pointer);
        self.faults.push((name.clone(), mark));
        mark.bit()
    }

    fn record(&mut self, check: &mut Check<'_>, raw: &raw::Response) -> Option<usize> {
        let node = match &raw.at {
            Some(at) => {
                let names = check.path("/response/at", at)?;
                self.node(0, &names)
            }
            None if check.is_soap() => {
                check.problem_at_key("/response", "missing-key", "a SOAP response needs the element of its record", "`at`");
                return None;
            }
            None => 0,
        };
        self.nodes[node].opens = Opens::Record;
        Some(node)
    }

    fn ignore(&mut self, check: &mut Check<'_>, pointer: &str, base: usize, paths: &[String]) {
        for (place, path) in paths.iter().enumerate() {
            let pointer = format!("{pointer}/{place}");
            let Some(names) = check.path(&pointer, path) else { continue };
            let node = self.node(base, &names);
            if self.nodes[node].ignore {
                check.problem(&pointer, "duplicate-path", format!("`{path}` stands twice"), "each path once");
            }
            self.nodes[node].ignore = true;
        }
    }

    fn fields(&mut self, check: &mut Check<'_>, values: &Values, at: At<'_>, shape: &Shape, raw: &BTreeMap<String, raw::Field>) {
        self.seen.resize(self.scopes.len(), 0);
        for name in raw.keys() {
            let pointer = format!("{}/{}", at.pointer, escape(name));
            match shape.fields.iter().find(|def| &*def.name == name) {
                None => {
                    let accepted = shape.fields.iter().filter(|def| def.agreed).map(|def| &*def.name).collect::<Vec<_>>().join(", ");
                    check.problem_at_key(&pointer, "undeclared-field", format!("the contract has no field `{name}`"), accepted);
                }
                Some(def) if !def.agreed => {
                    let message = format!("the agreement does not cover `{}`, so it is never read", def.path);
                    check.problem_at_key(&pointer, "not-agreed-field", message, "its wire path in `ignore`");
                }
                Some(_) => {}
            }
        }
        for (place, def) in shape.fields.iter().enumerate().filter(|(_, def)| def.agreed) {
            match raw.get(&*def.name) {
                None => {
                    let message = format!("the contract's field `{}` is not mapped", def.path);
                    check.problem_at_key(at.pointer, "unmapped-field", message, format!("`{}`", def.name));
                }
                Some(field) => {
                    let pointer = format!("{}/{}", at.pointer, escape(&def.name));
                    self.field(check, values, At { pointer: &pointer, ..at }, Mapped { place, def, field });
                }
            }
        }
        let scope = &self.scopes[at.scope];
        if scope.places > PLACES_MAX || self.seen[at.scope] > PLACES_MAX {
            check.problem_at_key(
                at.pointer,
                "too-many",
                "too many values in one record",
                format!("at most {PLACES_MAX}, alternatives counted"),
            );
        }
    }

    fn field(&mut self, check: &mut Check<'_>, values: &Values, at: At<'_>, mapped: Mapped<'_>) {
        let Mapped { def, field, .. } = mapped;
        let ways = [field.from.is_some(), field.count.is_some(), field.each.is_some()];
        if ways.iter().filter(|way| **way).count() != 1 {
            check.problem_at_key(at.pointer, "wrong-field", "a field is read in exactly one way", "one of from, count, each");
            return;
        }
        if field.each.is_none() {
            let lists = [
                ("max", field.max.is_some()),
                ("where", !field.filter.is_empty()),
                ("fields", !field.fields.is_empty()),
                ("ignore", !field.ignore.is_empty()),
            ];
            for (key, _) in lists.iter().filter(|(_, present)| *present) {
                check.problem_at_key(&format!("{}/{key}", at.pointer), "unused-key", format!("`{key}` belongs to a list"), "each");
            }
        }
        match &def.kind {
            FieldKind::Scalar { kind, codes } => {
                let scalar = Scalars { kind: *kind, codes, optional: def.optional };
                match (&field.from, &field.count) {
                    (Some(raw::From::One(path)), _) => self.scalar(check, values, at, mapped, scalar, std::slice::from_ref(path)),
                    (Some(raw::From::First(paths)), _) => self.scalar(check, values, at, mapped, scalar, paths),
                    (None, Some(path)) => self.count(check, at, mapped, path),
                    (None, None) => check.problem_at_key(at.pointer, "wrong-type", "the contract's field is one value", "from, or count"),
                }
            }
            FieldKind::List { max, shape } => self.list(check, values, at, mapped, *max, shape),
            FieldKind::Values { max, kind, codes } => {
                let scalar = Scalars { kind: *kind, codes, optional: false };
                self.plain_list(check, values, at, mapped, *max, scalar);
            }
        }
    }

    fn scalar(&mut self, check: &mut Check<'_>, values: &Values, at: At<'_>, mapped: Mapped<'_>, scalar: Scalars<'_>, paths: &[String]) {
        let Mapped { place, def, field } = mapped;
        let conversion = values.conversion(check, at.pointer, field, scalar);
        self.tables.extend(field.table.clone());
        if paths.is_empty() {
            check.problem(&format!("{}/from", at.pointer), "too-few", "no path at all", "one path or more");
        }
        let several = paths.len() > 1;
        let mut alternatives = Vec::new();
        for (number, path) in paths.iter().enumerate() {
            let pointer = if matches!(field.from, Some(raw::From::First(_))) {
                format!("{}/from/{number}", at.pointer)
            } else {
                format!("{}/from", at.pointer)
            };
            let Some(names) = check.path(&pointer, path) else { continue };
            let node = self.node(at.base, &names);
            self.owners.push(Owner { node, scope: at.scope, pointer });
            let own = if several {
                let own = self.scopes[at.scope].places;
                self.scopes[at.scope].places += 1;
                alternatives.push(own);
                own
            } else {
                place
            };
            let Some(conversion) = conversion.clone() else { continue };
            let target = Target {
                place: own,
                path: def.path.clone(),
                index: def.index,
                absent_ok: several || field.optional,
                pick: field.pick,
                conversion,
            };
            self.leaf(at.scope, node, target);
        }
        self.unit(check, values, at, mapped, scalar);
        let scope = &mut self.scopes[at.scope];
        if several {
            scope.alternatives.push(Alternatives { place, path: def.path.clone(), optional: field.optional, from: alternatives });
        } else if !field.optional {
            scope.required.push((place, def.path.clone()));
        }
        self.view(def.index, &def.path, paths.join(" or "), kind_view(values, field, scalar));
    }

    /// The unit that stands beside a decimal: read as a text of its own, and applied once the item is over.
    fn unit(&mut self, check: &mut Check<'_>, values: &Values, at: At<'_>, mapped: Mapped<'_>, scalar: Scalars<'_>) {
        let Mapped { place, def, field } = mapped;
        let Some(unit) = &field.unit else { return };
        let pointer = format!("{}/unit", at.pointer);
        if scalar.kind != model::Type::Decimal {
            check.problem_at_key(&pointer, "unused-key", "only a decimal has a unit beside it", "as: decimal");
            return;
        }
        let mut factors: Vec<(Box<str>, Decimal)> = Vec::new();
        for (name, factor) in &unit.factors {
            let at = format!("{pointer}/factors/{}", escape(name));
            match Decimal::new(&text_of(factor)).filter(Decimal::is_positive) {
                Some(factor) => factors.push((normal(name.trim_ascii()).into(), factor)),
                None => {
                    check.problem(&at, "wrong-value", "not what a number is multiplied by", "a number above zero, such as 1 or \"0.01\"")
                }
            }
        }
        if unit.factors.is_empty() {
            check.problem(&format!("{pointer}/factors"), "too-few", "no unit at all", "each unit that the source uses");
        }
        let pointer = format!("{pointer}/by");
        let Some(names) = check.path(&pointer, &unit.by) else { return };
        let node = self.node(at.base, &names);
        self.owners.push(Owner { node, scope: at.scope, pointer });
        let by = self.scopes[at.scope].places;
        self.scopes[at.scope].places += 1;
        let conversion = values.plain_text();
        let target = Target { place: by, path: def.path.clone(), index: def.index, absent_ok: true, pick: None, conversion };
        self.leaf(at.scope, node, target);
        self.scopes[at.scope].units.push(Unit { place, by, path: def.path.clone(), factors });
    }

    /// Lets a value be read at a node, beside whatever else is read there.
    fn leaf(&mut self, scope: usize, node: usize, target: Target) {
        match &mut self.nodes[node].leaf {
            Some(leaf) => leaf.targets.push(target),
            None => {
                let seen = self.seen[scope];
                self.seen[scope] += 1;
                self.nodes[node].leaf = Some(Leaf { seen, targets: vec![target] });
            }
        }
    }

    fn count(&mut self, check: &mut Check<'_>, at: At<'_>, mapped: Mapped<'_>, path: &str) {
        let Mapped { place, def, field } = mapped;
        let plain = field.table.is_none()
            && field.steps.is_empty()
            && field.pick.is_none()
            && field.format.is_none()
            && field.unit.is_none()
            && !field.optional;
        if field.kind != Some(Kind::Int) || !matches!(def.kind, FieldKind::Scalar { kind: model::Type::Int, .. }) || !plain {
            check.problem_at_key(
                at.pointer,
                "wrong-type",
                "a count is a whole number and nothing else",
                "count with as: int, for an int field",
            );
        }
        let pointer = format!("{}/count", at.pointer);
        let Some(names) = check.path(&pointer, path) else { return };
        let node = self.node(at.base, &names);
        self.owners.push(Owner { node, scope: at.scope, pointer });
        self.nodes[node].counts.push(place);
        self.scopes[at.scope].counts.push(place);
        self.view(def.index, &def.path, path.to_owned(), "count".to_owned());
    }

    /// Checks what both kinds of list have; gives the items' node and their bound.
    fn items(&mut self, check: &mut Check<'_>, at: At<'_>, field: &raw::Field, contract_max: usize) -> Option<(usize, usize)> {
        let Some(each) = &field.each else {
            check.problem_at_key(at.pointer, "wrong-type", "the contract's field is a list", "each, max");
            return None;
        };
        let max = match field.max {
            None => {
                check.problem_at_key(at.pointer, "missing-max", "a list without a bound", format!("max: {contract_max}"));
                contract_max
            }
            Some(max) if max == 0 || max > contract_max => {
                let message = "the bound is not within the contract's";
                check.problem(&format!("{}/max", at.pointer), "wrong-max", message, format!("1 to {contract_max}"));
                contract_max
            }
            Some(max) => max,
        };
        for (key, present) in [("optional", field.optional), ("pick", field.pick.is_some())] {
            if present {
                check.problem_at_key(&format!("{}/{key}", at.pointer), "unused-key", format!("a list has no `{key}`"), "an empty list");
            }
        }
        let pointer = format!("{}/each", at.pointer);
        let names = check.path(&pointer, each)?;
        let node = self.node(at.base, &names);
        if !matches!(self.nodes[node].opens, Opens::Nothing) {
            check.problem(&pointer, "duplicate-path", format!("`{each}` is already the record or a list"), "each path once");
            return None;
        }
        self.owners.push(Owner { node, scope: at.scope, pointer });
        Some((node, max))
    }

    fn list(&mut self, check: &mut Check<'_>, values: &Values, at: At<'_>, mapped: Mapped<'_>, contract_max: usize, shape: &Shape) {
        let Mapped { place, def, field } = mapped;
        let scalar_keys = [
            ("as", field.kind.is_some()),
            ("table", field.table.is_some()),
            ("steps", !field.steps.is_empty()),
            ("unit", field.unit.is_some()),
        ];
        for (key, _) in scalar_keys.iter().filter(|(_, present)| *present) {
            check.problem_at_key(
                &format!("{}/{key}", at.pointer),
                "unused-key",
                format!("a list of records has no `{key}`"),
                "each, max, fields",
            );
        }
        let Some((node, max)) = self.items(check, at, field, contract_max) else { return };
        let scope = self.scopes.len();
        self.scopes.push(Scope::new(shape.fields.len(), &def.path));
        self.scopes[at.scope].lists.push(place);
        self.nodes[node].opens = Opens::Item { place, scope, max };
        self.filter(check, at.pointer, scope, node, &field.filter);
        self.ignore(check, &format!("{}/ignore", at.pointer), node, &field.ignore);
        self.fields(check, values, At { pointer: &format!("{}/fields", at.pointer), scope, base: node }, shape, &field.fields);
    }

    fn filter(&mut self, check: &mut Check<'_>, pointer: &str, scope: usize, base: usize, filter: &BTreeMap<String, Scalar>) {
        if filter.len() > FILTERS_MAX {
            check.problem(&format!("{pointer}/where"), "too-many", "too many texts to compare", format!("at most {FILTERS_MAX}"));
            return;
        }
        for (number, (path, wanted)) in filter.iter().enumerate() {
            let pointer = format!("{pointer}/where/{}", escape(path));
            let Some(names) = check.path(&pointer, path) else { continue };
            let node = self.node(base, &names);
            let bit = 1 << number;
            self.nodes[node].filters.push((text_of(wanted), bit));
            self.scopes[scope].filters |= bit;
            self.owners.push(Owner { node, scope, pointer });
        }
    }

    fn plain_list(
        &mut self,
        check: &mut Check<'_>,
        values: &Values,
        at: At<'_>,
        mapped: Mapped<'_>,
        contract_max: usize,
        scalar: Scalars<'_>,
    ) {
        let Mapped { place, def, field } = mapped;
        if !field.fields.is_empty() || !field.filter.is_empty() || field.unit.is_some() {
            check.problem_at_key(at.pointer, "wrong-type", "the contract's field is a list of plain values", "each, max, as");
        }
        let conversion = values.conversion(check, at.pointer, field, scalar);
        self.tables.extend(field.table.clone());
        let Some((node, max)) = self.items(check, at, field, contract_max) else { return };
        self.scopes[at.scope].plain_lists.push(place);
        self.view(def.index, &def.path, field.each.clone().unwrap_or_default(), kind_view(values, field, scalar));
        if let Some(conversion) = conversion {
            let plain = Plain { place, max, path: def.path.clone(), index: def.index, conversion };
            self.nodes[node].opens = Opens::Plain(Box::new(plain));
        }
    }

    fn view(&mut self, index: usize, canonical: &str, wire: String, kind: String) {
        self.views.push((index, FieldView { canonical: canonical.into(), wire: wire.into(), kind: kind.into() }));
    }

    /// Checks what only the whole tree shows: paths that contradict each other.
    fn structure(&self, check: &mut Check<'_>) {
        for (place, node) in self.nodes.iter().enumerate() {
            let readers = || self.owners.iter().filter(|owner| owner.node == place);
            let pointer = readers().next().map_or("/response", |owner| owner.pointer.as_str());
            let path = &node.path;
            if node.ignore && (!node.children.is_empty() || node.is_value() || !matches!(node.opens, Opens::Nothing)) {
                check.problem(pointer, "duplicate-path", format!("`{path}` is both read and ignored"), "one of the two");
            }
            if node.is_value() && node.is_structure() {
                check.problem(
                    pointer,
                    "path-conflict",
                    format!("`{path}` is both a value and a part with others inside"),
                    "one of the two",
                );
            }
            if node.children.len() > CHILDREN_MAX {
                check.problem(pointer, "too-many", format!("too many names below `{path}`"), format!("at most {CHILDREN_MAX}"));
            }
        }
        if self.nodes.len() > NODES_MAX {
            check.problem("/response", "too-many", "too many names", format!("at most {NODES_MAX}"));
        }
        for owner in &self.owners {
            // The innermost record or item around the node, not counting what begins at the node itself.
            let around = self.ancestors(owner.node).skip(1).find_map(|node| match self.nodes[node].opens {
                Opens::Record => Some(0),
                Opens::Item { scope, .. } => Some(scope),
                Opens::Nothing | Opens::Plain(_) => None,
            });
            if around != Some(owner.scope) {
                let path = &self.nodes[owner.node].path;
                let message = format!("`{path}` lies inside another list than its field");
                check.problem(&owner.pointer, "crossed-list", message, "a path that stays within its record or item");
            }
        }
    }
}

/// The text that a wire value must have to equal this.
pub(super) fn text_of(scalar: &Scalar) -> Box<str> {
    match scalar {
        Scalar::Bool(value) => value.to_string().into(),
        Scalar::Int(number) => number.to_string().into(),
        Scalar::Text(text) => normal(text.trim_ascii()).into(),
    }
}

fn kind_view(values: &Values, field: &raw::Field, scalar: Scalars<'_>) -> String {
    let mut view = super::values::word(scalar.kind).to_owned();
    let default = match field.kind {
        Some(Kind::Date) => Some(values.date.as_str()),
        Some(Kind::Month) => Some(values.month.as_str()),
        _ => None,
    };
    if let Some(part) = field.format.as_deref().or(default) {
        view.push(' ');
        view.push_str(part);
    }
    for step in &field.steps {
        view.push_str(match step {
            raw::Step::Collapse => ", collapse",
            raw::Step::Upper => ", upper",
            raw::Step::Lower => ", lower",
            raw::Step::BakuDay => ", baku-day",
            raw::Step::Capture(_) => ", capture",
            raw::Step::Pad(_) => ", pad",
            raw::Step::CodePage(_) => ", code-page",
        });
    }
    if let Some(unit) = &field.unit {
        view.push_str(", unit by ");
        view.push_str(&unit.by);
    }
    if let Some(table) = &field.table {
        view.push_str(", table ");
        view.push_str(table);
    }
    if field.optional {
        view.push_str(", optional");
    }
    view
}
