//! The rules a request's body can break, each worded in both languages. A closed list: whoever adds
//! a check adds its rule here. No wording repeats a value that was sent.

use model::Profile;
use model::contract::{SubjectForm, Type};
use model::subject::SubjectRule;

use crate::citizen::Unproven;
use crate::problem::Language;
use crate::record::Kind;

/// A broken rule with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// JSON pointer into the body.
    pub pointer: String,
    /// The rule.
    pub rule: Rule,
}

impl Broken {
    /// A rule broken at a place.
    #[must_use]
    pub fn new(pointer: impl Into<String>, rule: Rule) -> Self {
        Self { pointer: pointer.into(), rule }
    }
}

/// What is accepted where something else was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// An object belongs there.
    Object,
    /// A list with at least one, and at most so many items.
    List(usize),
    /// Only these keys belong there; none where it is empty.
    Keys(String),
    /// It must be given.
    Required,
    /// A slug: lower-case letters, digits, inner hyphens.
    Code,
    /// A case's name.
    CaseName,
    /// A case is not named by a person's or taxpayer's number.
    CaseNamesPerson,
    /// Null or a text of at most so many bytes.
    OptionalText(usize),
    /// An official's number or a robot's name.
    Official,
    /// An official's number, not a robot's name.
    OfficialPerson,
    /// A certificate's name that no consumer has.
    NotAConsumers,
    /// An official who holds a role of this consumer.
    OwnOfficial,
    /// Another official than the one before.
    OtherOfficial,
    /// A robot needs a person who answers for it.
    Responsible,
    /// One of these subject forms.
    SubjectForms(Vec<SubjectForm>),
    /// The identifier's form under the profile.
    Subject(SubjectRule, Profile),
    /// A value of this type; codes where the list is closed.
    Input(Type, String, Profile),
    /// One of the keys by which the contract knows the source's instances.
    InstanceKey(String),
    /// The last month is before the first.
    WindowOrder(String),
    /// The window spans more months than so many.
    WindowSpan(String, u32),
    /// A field of the contract, one of these.
    Field(String),
    /// A guardian, a parent or a proxy.
    RepresentativeKind,
    /// The representative is a person by FIN or PIN.
    Representative,
    /// Nobody represents himself.
    RepresentsHimself,
    /// A representation is of somebody: the subject must be named.
    Represented,
    /// A day.
    Day,
    /// A month that has begun.
    Month,
    /// A list of consents, at most so many.
    Consents(usize),
    /// The code of a provider that asks for consent.
    Provider,
    /// SHA-256 as base64.
    Sha256,
    /// A moment with its offset.
    Moment,
    /// A moment after the other one.
    After(&'static str),
    /// A list of at most so many values of this type; codes where the list of codes is closed.
    InputList(usize, Type, String, Profile),
    /// A purpose from the closed list.
    KnownPurpose,
    /// A purpose that the consumer has a grant for.
    OwnPurpose,
    /// The last month or day lies in the future.
    WindowFuture,
    /// One of these words.
    OneOf(&'static str),
    /// A service's code.
    KnownService,
    /// A time with fewer entries.
    Narrower,
    /// A list of ids, at most so many.
    Ids(usize),
    /// A text of 1 to so many bytes to search for.
    SearchText(usize),
    /// The name of a kind of journal entries.
    EntryKind,
    /// A reason in words, between so many characters.
    Reason(usize, usize),
    /// A number between these two.
    Between(u64, u64),
    /// A cursor that an earlier page gave.
    Cursor,
    /// A citizen, named by FIN or PIN.
    Citizen,
    /// A text of 1 to so many bytes.
    Text(usize),
    /// The assertion does not prove what it must.
    Assertion(Unproven),
    /// A consumer of the active data.
    KnownConsumer,
    /// A role of a consumer of the active data.
    KnownRole,
    /// An office with its scope, or a role of a consumer.
    Power,
    /// A case that the journal knows.
    KnownCase,
    /// A moment that comes, for a delay and for nothing else.
    DelayUntil,
    /// One case and nothing else, for a bundle.
    OneCase,
    /// A filter that finds at most so many entries.
    EntriesAtMost(usize),
    /// Each person once.
    Once,
    /// A dossier takes a case of at most so many persons, those whom answers name among them.
    CasePersons(usize),
}

impl Rule {
    /// The rule in words.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        let pick = |az: &str, en: &str| language.pick(az, en).to_owned();
        match self {
            Self::Object => pick("JSON obyekti olmalıdır", "must be a JSON object"),
            Self::List(max) => match language {
                Language::Az => format!("1-dən {max}-ə qədər elementi olan siyahı olmalıdır"),
                Language::En => format!("must be a list of 1 to {max} items"),
            },
            Self::Keys(accepted) if accepted.is_empty() => {
                pick("naməlum açar; burada heç bir açar qəbul olunmur", "unknown key; none is accepted here")
            }
            Self::Keys(accepted) => match language {
                Language::Az => format!("naməlum açar; qəbul olunur: {accepted}"),
                Language::En => format!("unknown key; accepted: {accepted}"),
            },
            Self::SearchText(max) => match language {
                Language::Az => format!("1-{max} baytlıq mətn və ya belə mətnlərin siyahısı olmalıdır"),
                Language::En => format!("must be a text of 1 to {max} bytes, or a list of such"),
            },
            Self::EntryKind => {
                let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| Kind::name_of(kind.number())).collect();
                match language {
                    Language::Az => format!("bunlardan biri olmalıdır: {}", kinds.join(", ")),
                    Language::En => format!("must be one of: {}", kinds.join(", ")),
                }
            }
            Self::Reason(min, max) => match language {
                Language::Az => format!("{min}-{max} işarə ilə səbəb yazılmalıdır: nəyi və nə üçün axtarırsınız"),
                Language::En => format!("must say in {min} to {max} characters what is looked for and why"),
            },
            Self::Between(min, max) => match language {
                Language::Az => format!("{min} ilə {max} arasında tam ədəd olmalıdır"),
                Language::En => format!("must be a whole number between {min} and {max}"),
            },
            Self::Cursor => pick(
                "əvvəlki səhifənin `next` dəyəri olmalıdır; birinci səhifə üçün null",
                "must be the `next` of an earlier page; null for the first",
            ),
            Self::OneCase => pick("sübut toplusu bir iş üçündür: yalnız `case` göstərin", "a bundle is for one case: give `case` alone"),
            Self::EntriesAtMost(max) => match language {
                Language::Az => format!("{max} qeyddən çox tapıldı; süzgəci daraldın, məsələn, vaxtla"),
                Language::En => format!("finds more than {max} entries; narrow it, such as by time"),
            },
            Self::Citizen => pick(r#"{"fin": "…"} və ya {"pin": "…"} olmalıdır"#, r#"must be {"fin": "…"} or {"pin": "…"}"#),
            Self::Text(max) => match language {
                Language::Az => format!("1-{max} baytlıq mətn olmalıdır"),
                Language::En => format!("must be a text of 1 to {max} bytes"),
            },
            Self::Assertion(why) => why.text(language).to_owned(),
            Self::KnownConsumer => pick("belə istehlakçı yoxdur", "there is no such consumer"),
            Self::KnownRole => pick("belə istehlakçı və ya rol yoxdur", "there is no such consumer or role"),
            Self::Power => pick(
                r#"{"office": …} (lazım olduqda `territory` və ya `consumer` ilə) və ya {"consumer": …, "role": …} olmalıdır"#,
                r#"must be {"office": …} (with `territory` or `consumer` where it has one) or {"consumer": …, "role": …}"#,
            ),
            Self::KnownCase => pick("jurnalda bu istehlakçının belə işi yoxdur", "the journal knows no such case of this consumer"),
            Self::DelayUntil => pick(
                "`delay` üçün gələcək vaxt (RFC 3339, ofsetlə) olmalıdır, başqa hallarda göstərilmir",
                "must be a moment to come (RFC 3339, with its offset) for `delay`, and is left out otherwise",
            ),
            Self::Required => pick("mütləq göstərilməlidir", "is required"),
            Self::Code => pick(
                "kod olmalıdır: kiçik latın hərfləri, rəqəmlər və daxili defis, ən çoxu 64",
                "must be a code: lower-case letters, digits and inner hyphens, at most 64",
            ),
            Self::CaseName => {
                pick("1-64 latın hərfi, rəqəm, '-', '_' və ya '.' olmalıdır", "must be 1 to 64 letters, digits, '-', '_' or '.'")
            }
            Self::CaseNamesPerson => pick(
                "FİN və ya VÖEN kimi görünür; işi öz nömrənizlə adlandırın, çünki ad ünvanlarda və mənbələrə sorğularda görünür",
                "looks like a FIN or VÖEN; name a case by a number of your own, since the name stands in addresses and in questions to sources",
            ),
            Self::OptionalText(max) => match language {
                Language::Az => format!("null və ya 1-{max} baytlıq mətn olmalıdır"),
                Language::En => format!("must be null or a text of 1 to {max} bytes"),
            },
            Self::Official => pick(
                "vəzifəli şəxsin nömrəsi və ya robot:<ad> olmalıdır: 1-64 latın hərfi, rəqəm, '-', '.', '_'",
                "must be an official's number or robot:<name>: 1 to 64 of A-Z, a-z, 0-9, '-', '.', '_'",
            ),
            Self::OfficialPerson => pick(
                "vəzifəli şəxsin nömrəsi olmalıdır: 1-64 latın hərfi, rəqəm, '-', '.', '_'",
                "must be an official's number: 1 to 64 of A-Z, a-z, 0-9, '-', '.', '_'",
            ),
            Self::NotAConsumers => pick("bu ad bir istehlakçının sertifikatındadır", "is the name in a consumer's certificate"),
            Self::OwnOfficial => pick(
                "bu istehlakçıda rolu olan vəzifəli şəxs olmalıdır (hüquqlar reyestri)",
                "must be an official who holds a role of this consumer (register of rights)",
            ),
            Self::OtherOfficial => pick("`from` ilə eyni olmamalıdır", "must be another one than `from`"),
            Self::Responsible => {
                pick("avtomatlaşdırılmış sorğuya cavabdeh şəxs göstərilməlidir", "an automated caller names the person answerable for it")
            }
            Self::SubjectForms(forms) => match language {
                Language::Az => format!("müqavilənin qəbul etdiyi subyekt olmalıdır: {}", subject_forms(forms)),
                Language::En => format!("must be a subject that the contract takes: {}", subject_forms(forms)),
            },
            Self::Subject(rule, profile) => format!("{}; {}", form_of(*rule, language), mark_of(*rule, *profile, language)),
            Self::Input(kind, codes, profile) => input(*kind, codes, *profile, language),
            Self::InstanceKey(keys) => match language {
                Language::Az => format!("belə açar yoxdur; qəbul olunur: {keys}"),
                Language::En => format!("no such key; accepted: {keys}"),
            },
            Self::WindowOrder(from) => match language {
                Language::Az => format!("`{from}` qiymətindən əvvəldir"),
                Language::En => format!("is before `{from}`"),
            },
            Self::WindowSpan(from, max) => match language {
                Language::Az => format!("`{from}` qiymətindən ən çoxu {max} ay, hər iki uc daxil olmaqla"),
                Language::En => format!("at most {max} months from `{from}`, both counted"),
            },
            Self::Field(known) => match language {
                Language::Az => format!("belə sahə yoxdur; qəbul olunur: {known}"),
                Language::En => format!("no such field; accepted: {known}"),
            },
            Self::RepresentativeKind => pick("guardian, parent və ya proxy olmalıdır", "must be guardian, parent or proxy"),
            Self::Representative => pick(r#"{"fin"} və ya {"pin"} ilə göstərilməlidir"#, r#"must be a person named by {"fin"} or {"pin"}"#),
            Self::RepresentsHimself => pick("`subject` ilə eyni şəxs olmamalıdır", "must be somebody else than `subject`"),
            Self::Represented => pick(
                "`on_behalf_of` olduqda kimin təmsil olunduğu `subject` ilə göstərilməlidir",
                "with `on_behalf_of` the subject must be named: it is who is represented",
            ),
            Self::Month => pick("artıq başlamış ay olmalıdır, məsələn 2026-03", "must be a month that has begun, such as 2026-03"),
            Self::Day => pick("gün olmalıdır, məsələn 2026-03-01", "must be a day such as 2026-03-01"),
            Self::Consents(max) => match language {
                Language::Az => format!("ən çoxu {max} razılığın siyahısı olmalıdır"),
                Language::En => format!("must be a list of at most {max} consents"),
            },
            Self::Provider => pick("mənbənin kodu olmalıdır; /v1/catalogue-a baxın", "must be a provider's code; see /v1/catalogue"),
            Self::Sha256 => pick("SHA-256 olmalıdır, base64 ilə 44 simvol", "must be a SHA-256 in base64, 44 characters"),
            Self::Moment => pick(
                "RFC 3339 vaxtı olmalıdır, məsələn 2026-03-01T10:00:00+04:00",
                "must be a time of RFC 3339 such as 2026-03-01T10:00:00+04:00",
            ),
            Self::After(other) => match language {
                Language::Az => format!("`{other}` vaxtından sonra olmalıdır"),
                Language::En => format!("must be after `{other}`"),
            },
            Self::InputList(max, kind, codes, profile) => match language {
                Language::Az => {
                    format!("1-dən {max}-ə qədər fərqli qiymətin siyahısı olmalıdır, hər biri: {}", input(*kind, codes, *profile, language))
                }
                Language::En => format!("must be a list of 1 to {max} different values, each: {}", input(*kind, codes, *profile, language)),
            },
            Self::KnownPurpose => pick(
                "məqsədlərin qapalı siyahısında yoxdur; /v1/catalogue-a baxın",
                "not in the closed list of purposes; see /v1/catalogue",
            ),
            Self::OwnPurpose => {
                pick("bu məqsəd üçün icazəniz yoxdur; /v1/catalogue-a baxın", "you have no grant for this purpose; see /v1/catalogue")
            }
            Self::WindowFuture => {
                pick("gələcəkdədir; gələcək haqqında heç bir mənbə bilmir", "lies in the future, of which no source knows")
            }
            Self::KnownService => pick(
                "mənbə/xidmət kodu olmalıdır, məsələn interior/residence-registration",
                "must be a service's code such as interior/residence-registration",
            ),
            Self::Narrower => {
                pick("bu müddətdə qeydlər həddən çoxdur; müddəti qısaldın", "that time has too many entries; take a shorter one")
            }
            Self::Ids(max) => match language {
                Language::Az => format!("1-dən {max}-ə qədər identifikatorun siyahısı olmalıdır"),
                Language::En => format!("must be a list of 1 to {max} ids"),
            },
            Self::OneOf(words) => match language {
                Language::Az => format!("bunlardan biri olmalıdır: {words}"),
                Language::En => format!("must be one of {words}"),
            },
            Self::Once => pick("şəxs iki dəfə göstərilib", "the person stands twice"),
            Self::CasePersons(max) => match language {
                Language::Az => format!("dosye ən çoxu {max} şəxs üçün hazırlanır; iş və ya mənbənin cavabı daha çox şəxs göstərir"),
                Language::En => format!("a dossier takes at most {max} persons; the case, or an answer of a source, names more"),
            },
        }
    }
}

/// The accepted subjects as the envelope writes them.
fn subject_forms(forms: &[SubjectForm]) -> String {
    if forms.is_empty() {
        return "null".to_owned();
    }
    let words = forms.iter().map(|form| match form {
        SubjectForm::Fin => r#"{"fin"}"#,
        SubjectForm::Pin => r#"{"pin"}"#,
        SubjectForm::Document => r#"{"document": {"series","number"}, "birth_date"}"#,
        SubjectForm::Tin => r#"{"tin"}"#,
    });
    words.collect::<Vec<_>>().join(", ")
}

fn form_of(rule: SubjectRule, language: Language) -> &'static str {
    match rule {
        SubjectRule::Fin | SubjectRule::Pin => {
            language.pick("7 simvol: rəqəmlər və I, O istisna olmaqla A-Z", "7 characters of digits and A-Z without I and O")
        }
        SubjectRule::Tin => language.pick("10 rəqəm", "10 digits"),
        SubjectRule::DocumentSeries => language.pick("1-4 hərf A-Z", "1 to 4 letters A-Z"),
        SubjectRule::DocumentNumber => language.pick("1-12 rəqəm", "1 to 12 digits"),
    }
}

/// Synthetic data are marked, and each profile takes one kind only (agency catalogue).
fn mark_of(rule: SubjectRule, profile: Profile, language: Language) -> String {
    let mark = match rule {
        SubjectRule::Fin | SubjectRule::Pin => language.pick("sonda O hərfi", "the letter O in the last place"),
        SubjectRule::Tin => language.pick("sonda 3 və ya 4", "3 or 4 in the last place"),
        SubjectRule::DocumentSeries | SubjectRule::DocumentNumber => language.pick("ZZ seriyası", "the series ZZ"),
    };
    match (profile, language) {
        (Profile::Test, Language::Az) => format!("sınaq profili yalnız sintetik məlumat qəbul edir, nişanı: {mark}"),
        (Profile::Test, Language::En) => format!("the test profile takes synthetic data only, marked by {mark}"),
        (Profile::Production, Language::Az) => format!("istehsal profili sintetik məlumatı rədd edir, nişanı: {mark}"),
        (Profile::Production, Language::En) => format!("the production profile refuses synthetic data, marked by {mark}"),
    }
}

fn input(kind: Type, codes: &str, profile: Profile, language: Language) -> String {
    let pick = |az: &str, en: &str| language.pick(az, en).to_owned();
    match kind {
        Type::Text => {
            pick("idarəetmə simvolsuz 1-256 baytlıq mətn olmalıdır", "must be a text of 1 to 256 bytes without control characters")
        }
        Type::Fin => Rule::Subject(SubjectRule::Fin, profile).text(language),
        Type::Tin => Rule::Subject(SubjectRule::Tin, profile).text(language),
        Type::Code => match language {
            Language::Az => format!("bunlardan biri olmalıdır: {codes}"),
            Language::En => format!("must be one of {codes}"),
        },
        Type::Date => pick("tarix olmalıdır: iiii-aa-gg", "must be a date, yyyy-mm-dd"),
        Type::Month => pick("ay olmalıdır: iiii-aa", "must be a month, yyyy-mm"),
        Type::Bool => pick("true və ya false olmalıdır", "must be true or false"),
        Type::Int if !codes.is_empty() => match language {
            Language::Az => format!("tam ədəd olmalıdır, {codes}"),
            Language::En => format!("must be a whole number, {codes}"),
        },
        Type::Int | Type::Money => pick("tam ədəd olmalıdır", "must be a whole number"),
        Type::Decimal | Type::Datetime | Type::PartialDate | Type::Bytes | Type::Fraction => {
            pick("bu növ giriş kimi qəbul edilmir", "this type is not taken as an input")
        }
    }
}
