//! The rules that `qovsaq check` names: one list, from which the messages and the guide
//! (`docs/guide/check.md`) take them. Names are stable: people search for them and tests rely on them.

macro_rules! rules {
    ($($name:ident = $text:literal: $meaning:literal;)+) => {
        $(#[doc = $meaning] pub const $name: &str = $text;)+

        /// Every rule with its meaning, in the order of the guide.
        pub const ALL: &[(&str, &str)] = &[$(($text, $meaning)),+];
    };
}

rules! {
    // The form of a file.
    UNREADABLE_FILE = "unreadable-file": "The file or folder cannot be read, or is not UTF-8.";
    FILE_TOO_LARGE = "file-too-large": "The file is larger than 1 MiB.";
    TOO_MANY_FILES = "too-many-files": "The folder holds more files than are read at all (2,000).";
    UNEXPECTED_FILE = "unexpected-file": "The file or folder has no meaning at this place.";
    YAML = "yaml": "Not the accepted YAML: one document, no anchors, aliases or tags, no key twice.";
    UNKNOWN_KEY = "unknown-key": "The key has no meaning here.";
    MISSING_KEY = "missing-key": "A required key is missing.";
    WRONG_TYPE = "wrong-type": "A text, number, list or mapping was expected, and this is another.";
    UNKNOWN_WORD = "unknown-word": "A word that is not in the closed list.";
    WRONG_FORM = "wrong-form": "None of the accepted forms.";
    WRONG_PATTERN = "wrong-pattern": "The text does not have the required pattern.";
    WRONG_VALUE = "wrong-value": "The value breaks another rule of the schema, such as a bound.";
    TOO_FEW = "too-few": "Too few items or keys.";
    TOO_MANY = "too-many": "Too many items or keys.";
    // Single values.
    WRONG_NAME = "wrong-name": "Not a valid identifier, version, field path or certificate name.";
    WRONG_DATE = "wrong-date": "Not a date, or two dates in the wrong order.";
    WRONG_DURATION = "wrong-duration": "Not a duration such as `24h`.";
    OUT_OF_BOUNDS = "out-of-bounds": "A number or duration outside its bounds.";
    EMPTY_TEXT = "empty-text": "A text that must say something is empty.";
    MISPLACED_KEY = "misplaced-key": "The key means nothing together with the others here.";
    REPEATED_WORD = "repeated-word": "The same word stands twice in a list.";
    FILE_NAME = "file-name": "The file's name or folder disagrees with its content.";
    // Services.
    UNKNOWN_PROVIDER = "unknown-provider": "A folder of services without a `provider.yaml`.";
    DUPLICATE_SERVICE = "duplicate-service": "Two versions of one service are active at once.";
    EXPIRED_AGREEMENT = "expired-agreement": "The agreement with the provider is not in force today.";
    DIRECT_WITHOUT_REASON = "direct-without-reason": "A direct route needs its recorded reason (Decree 634, 5.0.2).";
    CAPTURE_WITHOUT_ACT = "capture-without-act": "Exact bytes are kept only under a named act.";
    MONEY_NAME = "money-name": "Money fields, and only they, end in `_qapik`.";
    CODE_WITHOUT_CODES = "code-without-codes": "A code field lists its codes, or says `open`.";
    LIST_WITHOUT_MAX = "list-without-max": "A list needs its greatest number of items.";
    UNDECLARED_LIST = "undeclared-list": "A field below a list that is not declared above it.";
    EMPTY_LIST = "empty-list": "A list of records without a field.";
    DUPLICATE_FIELD = "duplicate-field": "Two fields would have the same key in the answer.";
    TOO_MANY_FIELDS = "too-many-fields": "More fields than a contract can hold (128).";
    NO_AGREED_FIELD = "no-agreed-field": "The agreement covers none of the fields.";
    WRONG_WINDOW = "wrong-window": "The window does not name two month or two date inputs, or the dossier asks for more than it.";
    UNKNOWN_ANSWER = "unknown-answer": "The field that an input is to come from is not a top-level field of that service.";
    WRONG_ANSWER_TYPE = "wrong-answer-type": "The field that an input is to come from has another type.";
    WRITE_TERMS = "write-terms": "What a write answers serves one request: `lifetime: 0s`, `dossiers: never`; no probe.";
    CONSENT_TERMS = "consent-terms": "Each question under a consent is a fact: `lifetime: 0s`, `retry: never`, and a subject.";
    SNAPSHOT_TERMS = "snapshot-terms": "What was loaded of a file is kept already and holds everybody: `lifetime: 0s`, and no consent.";
    WRONG_CONFIRMATION = "wrong-confirmation": "What an answer repeats needs an agreed top-level field of a fitting type, and something that a question has.";
    WRONG_QUOTA_DAYS = "wrong-quota-days": "Days of the month that end before they begin, or that have a rate already.";
    WRONG_SEASON = "wrong-season": "A season changes nothing, has a month of another, or loosens what the contract says for the rest of the year.";
    WRONG_RANGE = "wrong-range": "A bound of an input that is no whole number, or a least value above the greatest.";
    SUBJECT_NOT_CONFIRMED = "subject-not-confirmed": "The answer names a person or taxpayer, and nothing says that it is the one asked about.";
    WRONG_INSTANCE_KEY = "wrong-instance-key": "The key of a source's instance has another form, or is not connected.";
    WRONG_ROUTING_INPUT = "wrong-routing-input": "What says which instance of a source is asked is no input of the service, or one that cannot.";
    // References.
    UNKNOWN_SERVICE = "unknown-service": "There is no such service.";
    UNKNOWN_PURPOSE = "unknown-purpose": "There is no such purpose in `purposes.yaml`.";
    UNKNOWN_ACT = "unknown-act": "There is no such act in `acts.yaml`.";
    UNKNOWN_ROLE = "unknown-role": "There is no such role here.";
    UNKNOWN_FIELD = "unknown-field": "The contract has no such field.";
    UNKNOWN_CODE = "unknown-code": "The contract does not list this code.";
    UNKNOWN_INPUT = "unknown-input": "There is no such input.";
    UNKNOWN_ELEMENT = "unknown-element": "The dossier has no such element.";
    // Consumers and grants.
    DUPLICATE_CERTIFICATE_NAME = "duplicate-certificate-name": "Two consumers claim one certificate name.";
    GRANT_WITHOUT_FIELD = "grant-without-field": "The grant covers no field.";
    GRANT_WITHOUT_PURPOSE = "grant-without-purpose": "The grant serves no purpose.";
    GRANT_WITHOUT_ACT = "grant-without-act": "The grant rests on no legal act.";
    GRANT_WITHOUT_ROLE = "grant-without-role": "No role may use the grant.";
    WRONG_SUBJECT = "wrong-subject": "The contract does not take a subject of this form.";
    LAPSED_ACT = "lapsed-act": "The grant names an act that is not in force today.";
    OVERLAPPING_GRANTS = "overlapping-grants": "Two grants fit the same service, purpose and role.";
    CLASS_ABOVE_TYPE = "class-above-type": "A role or grant goes beyond the class that a consumer of this type may ever be given (Decree 634, 2.5).";
    SPECIAL_WITHOUT_ACT = "special-without-act": "The grant gives data of the special category and names no act of its own that allows it, or names one needlessly.";
    SPECIAL_NEVER = "special-never": "The consumer or the purpose is declared without data of the special category, and the grant gives some.";
    ONWARD_TRANSFER = "onward-transfer": "A field's handling mark keeps it from a consumer of this type (Decree 634, 6.1.5).";
    WRONG_ANSWER_RULE = "wrong-answer-rule": "A yes or no rests on the record or a top-level list, and on agreed codes, truth values or the asked person's FIN in it; every input that asks by codes must be among them.";
    WRONG_HOURS = "wrong-hours": "Hours are `hh:mm`; those of a grant end after they begin, a planned window may end on the next day.";
    WRONG_PROBE = "wrong-probe": "A probe asks its provider about a marked test person, without consent or required inputs, as a consumer of type `probe` that is granted what it expects; such a consumer connects by no certificate.";
    CLASS_ABOVE_ROLES = "class-above-roles": "The grant covers fields of a class that none of its roles may see.";
    WRONG_ROW_RULE = "wrong-row-rule": "A row rule needs a top-level list, an agreed code field of its items, and the input with the same codes.";
    ROWS_COUNTED = "rows-counted": "The grant covers a count of rows that its row rule leaves out.";
    // Dossiers.
    DUPLICATE_DOSSIER = "duplicate-dossier": "Two versions of one dossier are active at once.";
    ELEMENT_WITHOUT_GRANT = "element-without-grant": "No consumer may ask this service for the dossier's purpose.";
    ELEMENT_ORDER = "element-order": "An element may need only one that stands above it.";
    ELEMENT_CYCLE = "element-cycle": "Elements need each other in a circle.";
    ELEMENT_ROLES = "element-roles": "An answer comes from an element asked about the same persons, or about the applicant alone.";
    WRONG_COMPARISON = "wrong-comparison": "A comparison is of two services, of agreed fields of one type (text, code, FIN, TIN, day or month), or of days and months with `not-after`.";
    WRONG_NEED = "wrong-need": "An element is conditional where it has conditions; one with conditions is never simply required.";
    WRONG_CONDITION = "wrong-condition": "A condition tests one answer or input in one way that fits its type.";
    WRONG_MEMBERS = "wrong-members": "Members are named by one element, asked about the applicant alone, in a list of its answer with a FIN and a relation, until a day that every answer states.";
    UNFILLED_INPUT = "unfilled-input": "A required input of the service is not filled.";
    WRONG_INPUT_TYPE = "wrong-input-type": "The input takes another type.";
    WRONG_ANSWER = "wrong-answer": "The contract demands that this input comes from another answer.";
    WRONG_FALLBACK = "wrong-fallback": "An element stands in for one that may find nothing without that being an answer.";
    ABSENCE_LOOSENED = "absence-loosened": "A dossier may tighten absence from fact to unknown, not loosen it.";
    NOT_IN_DOSSIERS = "not-in-dossiers": "The service's contract lets no dossier ask it (`dossiers: never`).";
    NO_SUBJECT = "no-subject": "The service asks about no person.";
}

/// Rules whose breach `qovsaq check` reports and a gateway tolerates: the policy refuses or withholds by
/// itself where they are broken.
pub const TOLERABLE: &[&str] = &[EXPIRED_AGREEMENT, LAPSED_ACT, ELEMENT_WITHOUT_GRANT, CLASS_ABOVE_ROLES];

#[cfg(test)]
mod tests {
    use super::ALL;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_has_one_name() {
        let names: BTreeSet<_> = ALL.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
