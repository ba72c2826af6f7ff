//! `GET /openapi.json`: OpenAPI 3.1, made from the active contracts. Every consumer sees its own:
//! the services and dossiers it has grants for, with the fields it may be given.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use model::consent::CONSENTS_MAX;
use model::contract::{Consumer, FieldDef, FieldKind, Grant, Input, SubjectForm, Type};
use model::{FieldSet, Outcome, RepresentativeKind, Service, Shape};
use serde_json::{Map, Value as Json, json};

use crate::api::catalogue::granted;
use crate::api::request::Asked;
use crate::data::Active;
use crate::gateway::Gateway;
use crate::problem::{Code, Language, Problem};

/// The document for this consumer.
///
/// # Errors
/// Only those of every request (unknown or expired certificate).
pub async fn document(State(_): State<Arc<Gateway>>, asked: Asked) -> Result<Response, Problem> {
    let Some(consumer) = asked.active.snapshot.consumers.get(&asked.consumer) else {
        return Err(asked.not_found("İstehlakçı tapılmadı", "The consumer is not in the active data"));
    };
    Ok(asked.answer(StatusCode::OK, openapi(consumer, &asked.active, asked.language).to_string()))
}

/// The OpenAPI document of one consumer.
#[must_use]
pub fn openapi(consumer: &Consumer, active: &Active, language: Language) -> Json {
    let mut paths = Map::new();
    paths.insert("/v1/cases".to_owned(), json!({"post": {
        "operationId": "open_case", "summary": "Open a case: the frame without which nothing is asked",
        "requestBody": body_of("#/components/schemas/Case"),
        "responses": responses(&json!({"201": answer_of("The case is open", &json!({"type": "object"})), "200": answer_of("The same case was sent before", &json!({"type": "object"}))}), &[400, 403, 409, 413, 415, 422, 429, 500, 503]),
    }}));
    paths.insert(
        "/v1/cases/{case}/close".to_owned(),
        json!({"post": {
            "operationId": "close_case", "summary": "Close a case: nothing can be asked in it any more",
            "parameters": [path_parameter("case")],
            "responses": responses(&json!({"200": answer_of("The case is closed", &json!({"type": "object"}))}), &[403, 404, 429, 500, 503]),
        }}),
    );
    insert_cases(&mut paths);
    for (service, grants) in granted(consumer, &active.snapshot) {
        let fields = grants.iter().fold(FieldSet::EMPTY, |set, grant| set.union(grant.fields)).intersection(service.agreed());
        let questions = grants
            .iter()
            .filter_map(|grant| grant.answer.as_ref())
            .map(|predicate| language.pick(&predicate.question.az, &predicate.question.en));
        let data = data_schema(service, fields, &questions.collect::<Vec<_>>());
        let path = format!("/v1/services/{}", service.id);
        paths.insert(path, json!({"post": {
            "operationId": service.id.as_str().replace(['/', '-'], "_"),
            "summary": language.pick(&service.name.az, &service.name.en),
            "description": format!("{}; absence means {}; route {}", service.versioned(), service.absence.as_str(), service.route.as_str()),
            "parameters": [prefer_parameter(), cache_parameter()],
            "requestBody": {"required": true, "content": {"application/json": {"schema": envelope(service, &grants)}}},
            "responses": responses(&json!({"200": answer_of("FOUND, NOT_FOUND, NOT_HELD_ELECTRONICALLY or STALE", &answer(&data))}), &[400, 403, 404, 413, 415, 422, 429, 500, 502, 503, 504]),
        }}));
    }
    let may = |purpose| consumer.grants.iter().any(|grant| grant.purposes.contains(purpose));
    for dossier in active.snapshot.dossiers.values().filter(|dossier| may(&dossier.purpose)) {
        let schema = dossier_schema();
        paths.insert(format!("/v1/dossiers/{}", dossier.id), json!({"post": {
            "operationId": format!("open_{}", dossier.id.as_str().replace('-', "_")),
            "summary": language.pick(&dossier.name.az, &dossier.name.en),
            "parameters": [prefer_parameter(), idempotency_parameter()],
            "requestBody": {"required": true, "content": {"application/json": {"schema": envelope_with(&dossier.inputs, None)}}},
            "responses": responses(&json!({"200": streamed(answer_of("Settled", &schema)), "202": answer_of("Not settled yet; read it again at Location", &schema)}), &[400, 403, 404, 409, 413, 415, 422, 429, 500, 503]),
        }}));
        paths.insert(
            format!("/v1/dossiers/{}/{{id}}", dossier.id),
            json!({"get": {
                "operationId": format!("read_{}", dossier.id.as_str().replace('-', "_")),
                "summary": "Read the dossier again: authorised anew and journalled",
                "parameters": [path_parameter("id"), prefer_parameter()],
                "responses": responses(&json!({"200": streamed(answer_of("Settled", &schema)), "202": answer_of("Not settled yet", &schema)}), &[403, 404, 429, 500, 503]),
            }}),
        );
    }
    paths.insert("/v1/notices".to_owned(), json!({"get": {
        "operationId": "notices", "summary": "Facts that you were told of and that their source has taken back: ask again where you need them",
        "parameters": [{"name": "after", "in": "query", "required": false, "schema": {"type": "integer", "minimum": 0}, "description": "number of the last notice that you have read"}],
        "responses": responses(&json!({"200": answer_of("The notices, oldest first", &json!({"type": "object", "properties": {
            "request_id": {"type": "string"}, "next": {"type": ["integer", "null"]}, "receipt": {"type": ["object", "null"]},
            "notices": {"type": "array", "items": {"type": "object", "properties": {
                "number": {"type": "integer"}, "notice": {"type": "string"}, "case": {"type": "string"}, "dossier_id": {"type": ["string", "null"]},
                "service": {"type": "string"}, "because": {"enum": ["annulled", "corrected"]}, "told_at": {"type": "string", "format": "date-time"},
                "recalled_at": {"type": "string", "format": "date-time"}, "disclosed": {"type": "object"},
            }}},
        }}))}), &[403, 422, 429, 500, 503]),
    }}));
    paths.insert("/v1/acknowledgements".to_owned(), json!({"post": {
        "operationId": "acknowledge", "summary": "Take on the duties of a role as the official who holds it; without that it is inactive",
        "requestBody": {"required": true, "content": {"application/json": {"schema": {
            "type": "object", "required": ["official", "role"], "additionalProperties": false,
            "properties": {
                "official": {"type": "string", "maxLength": 64},
                "role": {"enum": consumer.roles.keys().collect::<Vec<_>>()},
                "assertion": {"type": ["string", "null"], "description": "The official's assertion (JWS); mandatory in the production profile"},
            },
        }}}},
        "responses": responses(&json!({"200": answer_of("The role is active", &json!({"type": "object"}))}), &[400, 403, 409, 413, 415, 422, 429, 500, 503]),
    }}));
    for (path, id, summary) in [("/v1/catalogue", "catalogue", "What this consumer may ask"), ("/openapi.json", "openapi", "This document")]
    {
        paths.insert(
            path.to_owned(),
            json!({"get": {"operationId": id, "summary": summary,
            "responses": responses(&json!({"200": answer_of(summary, &json!({"type": "object"}))}), &[403, 429])}}),
        );
    }
    insert_accesses(&mut paths);
    paths.insert(
        "/checkpoint".to_owned(),
        json!({"get": {
            "operationId": "checkpoint", "summary": "The journal's newest checkpoint, a C2SP signed note",
            "responses": responses(&json!({"200": bytes_of("The note", "text/plain")}), &[403, 429, 503]),
        }}),
    );
    paths.insert("/tile/{level}/{number}".to_owned(), json!({"get": {
        "operationId": "tile", "summary": "Hashes of the journal's tree, in the layout of C2SP tlog-tiles; `number` is in groups of three digits and may end in `.p/` and a width",
        "parameters": [path_parameter("level"), path_parameter("number")],
        "responses": responses(&json!({"200": bytes_of("32 bytes for each hash", "application/octet-stream")}), &[403, 404, 429, 503]),
    }}));
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Qovşaq internal API", "version": env!("CARGO_PKG_VERSION"), "description": format!("As {} sees it; configuration {}", consumer.id, active.hash)},
        "paths": paths,
        "components": {"schemas": schemas(), "securitySchemes": {"mutual_tls": {"type": "mutualTLS"}}},
        "security": [{"mutual_tls": []}],
    })
}

/// Whose a case is, emergencies in it, and consents.
fn insert_cases(paths: &mut Map<String, Json>) {
    let text = || json!({"type": "string"});
    let official = || json!({"type": ["string", "null"], "description": "an official's number"});
    let asked = |properties: Json, required: Json| {
        json!({"required": true, "content": {"application/json": {"schema": {
            "type": "object", "additionalProperties": false, "properties": properties, "required": required,
        }}}})
    };
    let reason = || json!({"type": "string", "minLength": 10, "maxLength": 500});
    let object = || json!({"type": "object"});
    paths.insert("/v1/cases/{case}/transfer".to_owned(), json!({"post": {
        "operationId": "transfer_case", "summary": "Hand a case over to another official, who alone may ask in it from then on",
        "parameters": [path_parameter("case")],
        "requestBody": asked(json!({"from": official(), "to": text(), "reason": reason()}), json!(["to", "reason"])),
        "responses": responses(&json!({"200": answer_of("The case is the other official's", &object())}), &[400, 403, 404, 409, 413, 415, 422, 429, 500, 503]),
    }}));
    paths.insert("/v1/cases/{case}/overrides".to_owned(), json!({"post": {
        "operationId": "override_case", "summary": "In an emergency: act in a case that is not yours, or about persons who are not in it; with an alarm and a review",
        "parameters": [path_parameter("case")],
        "requestBody": asked(json!({
            "official": text(), "role": text(), "assertion": {"type": ["string", "null"]}, "reason": reason(),
            "persons": {"type": ["array", "null"], "maxItems": 20, "items": object()},
            "hours": {"type": ["integer", "null"], "minimum": 1, "maximum": 4},
        }), json!(["official", "role", "reason"])),
        "responses": responses(&json!({"201": answer_of("It has begun; `until` says when it ends", &object())}), &[400, 403, 404, 409, 413, 415, 422, 429, 500, 503]),
    }}));
    let consent = json!({"type": "object", "properties": {
        "provider": text(), "reference": {"type": "string"}, "sha256": {"type": ["string", "null"]}, "signed_at": {"type": ["string", "null"]},
        "expires_at": {"type": ["string", "null"]}, "used_by": {"type": "array", "items": text()},
        "status": {"enum": ["in_force", "ended", "withdrawn"]}, "withdrawn_at": {"type": ["string", "null"]},
    }});
    paths.insert("/v1/subject-consents".to_owned(), json!({"post": {
        "operationId": "subject_consents", "summary": "Which consents stand in a citizen's name, told to himself against his assertion",
        "requestBody": asked(json!({"subject": {"type": "object", "description": "fin or pin"}, "assertion": text()}), json!(["subject", "assertion"])),
        "responses": responses(&json!({"200": answer_of("The consents, the oldest first", &json!({"type": "object", "properties": {
            "request_id": text(), "consents": {"type": "array", "items": consent}, "receipt": object(),
        }}))}), &[400, 403, 413, 415, 422, 429, 500, 503]),
    }}));
    paths.insert("/v1/consents/withdrawals".to_owned(), json!({"post": {
        "operationId": "withdraw_consent", "summary": "Take a consent back: the citizen with his assertion, or a consumer what it has used",
        "requestBody": asked(json!({
            "provider": text(), "subject": {"type": "object", "description": "fin or pin"}, "reference": text(), "assertion": {"type": ["string", "null"]},
        }), json!(["provider", "subject", "reference"])),
        "responses": responses(&json!({"201": answer_of("It is withdrawn", &object()), "200": answer_of("It was withdrawn before", &object())}), &[400, 403, 404, 413, 415, 422, 429, 500, 503]),
    }}));
}

/// Who used a citizen's data, in both shapes.
fn insert_accesses(paths: &mut Map<String, Json>) {
    let text = || json!({"type": "string"});
    let moment = || json!({"type": ["string", "null"], "format": "date-time"});
    let asked = |properties: Json, required: Json| {
        json!({"required": true, "content": {"application/json": {"schema": {
            "type": "object", "additionalProperties": false, "properties": properties, "required": required,
        }}}})
    };
    let access = json!({"type": "object", "properties": {
        "at": {"type": "string", "format": "date-time"}, "consumer": text(), "consumer_name": text(), "service": text(), "service_name": text(),
        "purpose": text(), "purpose_name": text(), "act": text(), "outcomes": {"type": "array", "items": text()}, "text": text(), "receipt": {"type": "object"},
    }});
    paths.insert("/v1/subject-accesses".to_owned(), json!({"post": {
        "operationId": "subject_accesses", "summary": "Who used a citizen's data, told to himself against his assertion",
        "requestBody": asked(json!({
            "subject": {"type": "object", "description": "fin or pin"}, "assertion": {"type": "string", "description": "compact JWS of the identity provider of citizens"},
            "from": moment(), "to": moment(), "limit": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000}, "cursor": {"type": ["string", "null"]},
        }), json!(["subject", "assertion"])),
        "responses": responses(&json!({"200": answer_of("The uses, newest first", &json!({"type": "object", "properties": {
            "request_id": text(), "accesses": {"type": "array", "items": access}, "next": {"type": ["string", "null"]}, "receipt": {"type": "object"},
        }}))}), &[400, 403, 413, 415, 422, 429, 500, 503]),
    }}));
    paths.insert("/v2/findUsage".to_owned(), json!({"post": {
        "operationId": "find_usage", "summary": "The same in the shape of the Estonian data tracker",
        "requestBody": asked(json!({
            "userCode": {"type": "string", "description": "FIN"}, "assertion": text(), "periodStart": moment(), "periodEnd": moment(),
            "offset": {"type": ["integer", "null"], "minimum": 0}, "limit": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000},
        }), json!(["userCode", "assertion"])),
        "responses": responses(&json!({"200": answer_of("The usages, newest first", &json!({"type": "object", "properties": {
            "totalUsages": {"type": "integer"}, "usages": {"type": "array", "items": {"type": "object", "properties": {
                "logtime": text(), "action": text(), "receiverCode": text(), "receiverName": text(), "receiverSystem": text(),
            }}},
        }}))}), &[400, 403, 413, 415, 422, 429, 500, 503]),
    }}));
}

fn body_of(reference: &str) -> Json {
    json!({"required": true, "content": {"application/json": {"schema": {"$ref": reference}}}})
}

fn answer_of(description: &str, schema: &Json) -> Json {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

fn bytes_of(description: &str, media_type: &str) -> Json {
    json!({"description": description, "content": {media_type: {}}})
}

/// The good answers, and the problems that this address can answer with.
fn responses(good: &Json, problems: &[u16]) -> Json {
    let mut all = good.as_object().cloned().unwrap_or_default();
    for status in problems {
        let codes: Vec<&str> = Code::ALL.iter().filter(|code| code.status().as_u16() == *status).map(|code| code.as_str()).collect();
        let problem = json!({"description": codes.join(", "), "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}});
        all.insert(status.to_string(), problem);
    }
    Json::Object(all)
}

fn path_parameter(name: &str) -> Json {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
}

fn prefer_parameter() -> Json {
    json!({"name": "Prefer", "in": "header", "required": false, "schema": {"type": "string"}, "description": "wait=N, in seconds, at most 60 (RFC 7240)"})
}

fn cache_parameter() -> Json {
    json!({"name": "Cache-Control", "in": "header", "required": false, "schema": {"type": "string"}, "description": "no-cache, max-age=N, only-if-cached (RFC 9111)"})
}

fn idempotency_parameter() -> Json {
    json!({"name": "Idempotency-Key", "in": "header", "required": false, "schema": {"type": "string", "minLength": 1, "maxLength": 255}, "description": "a request sent again with it opens no second dossier; remembered for a day"})
}

/// The same as a stream, for `Accept: text/event-stream`.
fn streamed(mut answer: Json) -> Json {
    let schema = json!({"type": "string", "description": "events `element`, then `settled` or `pending` with the whole dossier; `problem` where it was stopped"});
    answer["content"]["text/event-stream"] = json!({"schema": schema});
    answer
}

/// What some grant lets be asked: its forms of subject, and the codes whose rows it covers.
fn envelope(service: &Service, grants: &[&Grant]) -> Json {
    let forms: Vec<SubjectForm> =
        service.subject.iter().copied().filter(|form| grants.iter().any(|grant| grant.subject.contains(form))).collect();
    let mut inputs = service.inputs.clone();
    for input in &mut inputs {
        let name = &input.name;
        let covers =
            |grant: &Grant, code: &str| grant.rows.iter().filter(|rule| rule.input.as_ref() == Some(name)).all(|rule| rule.allows(code));
        input.codes.retain(|code| grants.iter().any(|grant| covers(grant, code)));
    }
    let mut schema = envelope_with(&inputs, Some(&forms));
    schema["properties"]["fields"] = json!({"type": ["array", "null"], "items": {"type": "string"}, "description": "narrows the answer"});
    schema
}

fn envelope_with(inputs: &[Input], subject: Option<&[SubjectForm]>) -> Json {
    let mut properties = Map::new();
    let mut required = vec!["purpose", "case", "official", "role"];
    match subject {
        Some([]) => {
            properties.insert("subject".to_owned(), json!({"type": "null"}));
        }
        Some(forms) => {
            required.push("subject");
            properties.insert("subject".to_owned(), json!({"oneOf": forms.iter().map(|form| subject_schema(*form)).collect::<Vec<_>>()}));
        }
        None => {}
    }
    let members: Map<String, Json> = inputs.iter().map(|input| (input.name.to_string(), input_schema(input))).collect();
    let needed: Vec<&str> = inputs.iter().filter(|input| input.required).map(|input| &*input.name).collect();
    if !needed.is_empty() {
        required.push("input");
    }
    properties
        .insert("input".to_owned(), json!({"type": "object", "additionalProperties": false, "properties": members, "required": needed}));
    for (name, description) in [
        ("purpose", "from the closed list"),
        ("case", "the consumer's own open case"),
        ("official", "an official's number, or robot:<name>"),
        ("role", "the official's role"),
    ] {
        properties.insert(name.to_owned(), json!({"type": "string", "description": description}));
    }
    properties.insert("responsible".to_owned(), json!({"type": ["string", "null"], "description": "who answers for a robot"}));
    properties.insert("assertion".to_owned(), json!({"type": ["string", "null"], "description": "the identity provider's JWS"}));
    let basis = json!({"type": "object", "additionalProperties": false, "required": ["reference", "sha256", "valid_until"], "properties": {
        "reference": {"type": "string"}, "sha256": {"type": "string", "description": "SHA-256 of the document, base64"},
        "valid_until": {"type": "string", "format": "date"},
    }});
    properties.insert(
        "on_behalf_of".to_owned(),
        json!({"type": ["object", "null"], "additionalProperties": false, "required": ["kind", "representative", "basis"],
               "description": "who acts for the subject, where somebody does", "properties": {
            "kind": {"enum": RepresentativeKind::ALL.map(RepresentativeKind::as_str)},
            "representative": {"type": "object", "description": "fin or pin"}, "basis": basis,
        }}),
    );
    properties.insert(
        "consent".to_owned(),
        json!({"type": "array", "maxItems": CONSENTS_MAX, "items": {"$ref": "#/components/schemas/Consent"}}),
    );
    json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
}

fn input_schema(input: &Input) -> Json {
    let mut one = type_schema(input.kind, &input.codes, None);
    if let Some((min, max)) = input.range {
        (one["minimum"], one["maximum"]) = (json!(min), json!(max));
    }
    if let Some(instances) = &input.instances {
        one["enum"] = json!(instances.keys().collect::<Vec<_>>());
    }
    match input.list_max {
        Some(max) => json!({"type": "array", "minItems": 1, "maxItems": max, "uniqueItems": true, "items": one}),
        None => one,
    }
}

fn subject_schema(form: SubjectForm) -> Json {
    let one =
        |key: &str, schema: Json| json!({"type": "object", "additionalProperties": false, "required": [key], "properties": {key: schema}});
    match form {
        SubjectForm::Fin => one("fin", json!({"type": "string", "minLength": 7, "maxLength": 7})),
        SubjectForm::Pin => one("pin", json!({"type": "string", "minLength": 7, "maxLength": 7})),
        SubjectForm::Tin => one("tin", json!({"type": "string", "pattern": "^[0-9]{10}$"})),
        SubjectForm::Document => {
            json!({"type": "object", "additionalProperties": false, "required": ["document", "birth_date"], "properties": {
                "document": {"type": "object", "additionalProperties": false, "required": ["series", "number"],
                    "properties": {"series": {"type": "string"}, "number": {"type": "string"}}},
                "birth_date": {"type": "string", "format": "date"},
            }})
        }
    }
}

/// What `data` may be: the fields of some grant, a yes or no, or null.
fn data_schema(service: &Service, fields: FieldSet, questions: &[&str]) -> Json {
    let mut forms = vec![json!({"type": "null"})];
    if !fields.is_empty() {
        forms.push(shape_schema(&service.shape, fields));
    }
    let yes_or_no = |question: &&str| json!({"type": "object", "additionalProperties": false, "required": ["answer"], "properties": {"answer": {"type": "boolean", "description": question}}});
    forms.extend(questions.iter().map(yes_or_no));
    json!({"oneOf": forms})
}

fn answer(data: &Json) -> Json {
    let outcomes: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    json!({"type": "object", "required": ["request_id", "outcome", "absence", "data", "withheld", "source", "receipt"], "properties": {
        "request_id": {"type": "string"},
        "outcome": {"enum": outcomes},
        "absence": {"enum": ["fact", "unknown", null]},
        "data": data,
        "withheld": {"type": "array", "items": {"$ref": "#/components/schemas/Withheld"}},
        "source": {"$ref": "#/components/schemas/Source"},
        "receipt": {"$ref": "#/components/schemas/Receipt"},
    }})
}

fn shape_schema(shape: &Shape, fields: FieldSet) -> Json {
    let shown = shape.fields.iter().filter(|field| field.intersects(&fields));
    let properties: Map<String, Json> = shown.map(|field| (field.name.to_string(), field_schema(field, fields))).collect();
    json!({"type": "object", "properties": properties})
}

fn field_schema(field: &FieldDef, fields: FieldSet) -> Json {
    let mut schema = match &field.kind {
        FieldKind::Scalar { kind, codes } => type_schema(*kind, codes, field.unit.as_deref()),
        FieldKind::List { max, shape } => json!({"type": "array", "maxItems": max, "items": shape_schema(shape, fields)}),
        FieldKind::Values { max, kind, codes } => {
            json!({"type": "array", "maxItems": max, "items": type_schema(*kind, codes, field.unit.as_deref())})
        }
    };
    if field.optional
        && let Some(one) = schema.get("type").and_then(Json::as_str).map(str::to_owned)
    {
        schema["type"] = json!([one, "null"]);
    }
    schema
}

fn type_schema(kind: Type, codes: &[Box<str>], unit: Option<&str>) -> Json {
    let mut schema = match kind {
        Type::Text | Type::Fin | Type::Tin => json!({"type": "string"}),
        Type::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Type::Int => json!({"type": "integer"}),
        Type::Money => json!({"type": "integer", "description": "qəpik (1 AZN = 100)"}),
        Type::Decimal => json!({"type": "number"}),
        Type::Bool => json!({"type": "boolean"}),
        Type::Code if codes.is_empty() => json!({"type": "string"}),
        Type::Code => json!({"type": "string", "enum": codes}),
        Type::Date => json!({"type": "string", "format": "date"}),
        Type::Month => json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"}),
        Type::Datetime => json!({"type": "string", "format": "date-time"}),
        Type::Fraction => json!({"type": "string", "pattern": "^[0-9]+/[0-9]+$"}),
        Type::PartialDate => json!({"type": "string", "pattern": "^[0-9]{4}(-[0-9]{2}){0,2}$"}),
    };
    if let Some(unit) = unit {
        schema["description"] = json!(unit);
    }
    schema
}

fn dossier_schema() -> Json {
    json!({"type": "object", "required": ["dossier_id", "dossier", "version", "status", "elements", "not_needed", "documents_required", "due", "receipt"], "properties": {
        "dossier_id": {"type": "string", "format": "uuid"},
        "dossier": {"type": "string"},
        "version": {"type": "string"},
        "status": {"enum": ["complete", "incomplete", "pending", "awaiting_documents", "overdue", "stopped"]},
        "elements": {"type": "array", "items": {"$ref": "#/components/schemas/Element"}},
        "not_needed": {"type": "array", "items": {"$ref": "#/components/schemas/Because"}},
        "documents_required": {"type": "array", "items": {"$ref": "#/components/schemas/Because"}},
        "due": {"type": "string", "format": "date-time"},
        "receipt": {"$ref": "#/components/schemas/Receipt"},
    }})
}

fn schemas() -> Json {
    json!({
        "Case": {"type": "object", "additionalProperties": false, "required": ["case", "purpose", "persons"], "properties": {
            "case": {"type": "string", "maxLength": 64}, "purpose": {"type": "string"},
            "persons": {"type": "array", "minItems": 1, "maxItems": store::PERSONS_MAX, "items": {"type": "object", "required": ["subject", "role"],
                "properties": {"subject": {"type": "object"}, "role": {"enum": ["applicant", "spouse", "child", "adult", "other"]}}}},
            "official": {"type": ["string", "null"], "description": "whose case it is; null: every official's of yours"},
        }},
        "Element": {"type": "object", "required": ["element", "for", "need", "outcome", "absence", "data", "withheld", "source", "next_attempt_at", "receipt"], "properties": {
            "element": {"type": "string"}, "for": {"type": "object"}, "need": {"enum": ["required", "conditional", "optional"]},
            "outcome": {"enum": Outcome::ALL.iter().map(|outcome| Some(outcome.as_str())).chain([None]).collect::<Vec<_>>(), "description": "null: not answered yet"},
            "absence": {"enum": ["fact", "unknown", null]}, "data": {"type": ["object", "null"]},
            "withheld": {"type": "array", "items": {"$ref": "#/components/schemas/Withheld"}},
            "source": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Source"}], "description": "null where no source answered"},
            "next_attempt_at": {"type": ["string", "null"], "format": "date-time"},
            "recalled_at": {"type": "string", "format": "date-time", "description": "when the source took the answer back, where it has"},
            "discrepancies": {"type": "array", "description": "where another source disagrees, with a whole dossier", "items": {"type": "object", "properties": {
                "comparison": {"type": "string"}, "name": {"type": "string"}, "field": {"type": "string"},
                "primary": {"type": "boolean", "description": "whether this element's source is the primary one for it"},
                "against": {"type": "object", "properties": {"element": {"type": "string"}, "service": {"type": "string"}, "field": {"type": "string"}}}}}},
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}, "description": "why it was refused, with DENIED"},
            "receipt": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Receipt"}], "description": "names the entry that proves it; without proof and head"}}},
        "Because": {"type": "object", "required": ["element", "for", "because"], "properties": {
            "element": {"type": "string"}, "for": {"type": "object"}, "because": {"type": "string"}}},
        "FieldError": {"type": "object", "required": ["pointer", "detail"], "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}}},
        "Consent": {"type": "object", "additionalProperties": false, "required": ["provider", "subject", "reference", "sha256", "signed_at", "expires_at"], "properties": {
            "provider": {"type": "string"}, "subject": {"type": "object"}, "reference": {"type": "string", "minLength": 1, "maxLength": 256},
            "sha256": {"type": "string", "minLength": 44, "maxLength": 44, "contentEncoding": "base64"},
            "signed_at": {"type": "string", "format": "date-time"}, "expires_at": {"type": "string", "format": "date-time"}}},
        "Withheld": {"type": "object", "required": ["field", "reason"], "properties": {
            "field": {"type": "string"}, "reason": {"enum": ["agreement", "function", "powers", "class", "row"]}}},
        "Source": {"type": "object", "properties": {
            "provider": {"type": "string"}, "instance": {"type": "string"}, "service": {"type": "string"}, "version": {"type": "string"},
            "via": {"enum": ["provider", "cache", "snapshot", "meis"]}, "route": {"enum": ["ehis", "direct"]},
            "obtained_at": {"type": "string", "format": "date-time"}, "age_seconds": {"type": "integer"},
            "expires_at": {"type": ["string", "null"], "format": "date-time"}, "legal_act": {"type": "string"},
            "handling": {"enum": ["onward", "no-onward", "own-use"], "description": "how what is delivered is to be handled"}}},
        "Receipt": {"type": "object", "required": ["origin", "index", "leaf_hash"], "properties": {
            "origin": {"type": "string", "pattern": "^[a-z0-9.-]+$"}, "index": {"type": "integer"}, "leaf_hash": {"type": "string", "contentEncoding": "base64"},
            "proof": {"type": "array", "items": {"type": "string", "contentEncoding": "base64"}}, "head": {"type": "string"}}},
        "Problem": {"type": "object", "required": ["type", "title", "status", "detail", "request_id", "code", "origin"], "properties": {
            "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}, "request_id": {"type": "string"},
            "code": {"enum": Code::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>()},
            "origin": {"enum": ["consumer", "gateway", "route", "provider"]}, "outcome": {"type": "string"},
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
            "receipt": {"$ref": "#/components/schemas/Receipt"}}},
    })
}
