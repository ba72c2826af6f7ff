//! Errors as the caller sees them: `application/problem+json` (RFC 9457) with a closed list of
//! codes, titles in Azerbaijani and English, and never a personal identifier. This is the one
//! place that turns a failure into a response.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use model::Outcome;
use serde::Serialize;

use crate::answer::{REQUEST_ID, ReceiptBody};

/// Language of titles and details, from `Accept-Language`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Azerbaijani, the default.
    #[default]
    Az,
    /// English.
    En,
}

impl Language {
    /// The first of `az` and `en` that the header names; anything else is Azerbaijani.
    #[must_use]
    pub fn from_header(header: Option<&HeaderValue>) -> Self {
        let Some(text) = header.and_then(|value| value.to_str().ok()) else { return Self::Az };
        text.split(',')
            .map(|part| part.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
            .find_map(|tag| match tag.split('-').next().unwrap_or_default() {
                "az" => Some(Self::Az),
                "en" => Some(Self::En),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// The language tag.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Az => "az",
            Self::En => "en",
        }
    }

    /// Chooses between the two texts.
    #[must_use]
    pub fn pick<'a>(self, az: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Az => az,
            Self::En => en,
        }
    }
}

/// Who caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The caller.
    Consumer,
    /// This gateway.
    Gateway,
    /// The way to the provider (EHİS or the network).
    Route,
    /// The primary source.
    Provider,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $az:literal, $en:literal;)*) => {
        /// The closed list of problem codes (`docs/guide/errors.md` explains each).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The HTTP status it answers with.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }

            /// Its title.
            #[must_use]
            pub fn title(self, language: Language) -> &'static str {
                match self { $(Self::$name => language.pick($az, $en)),* }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    MalformedBody = "malformed-body", BAD_REQUEST, "Sorğunun gövdəsi oxunmur", "The body cannot be read";
    /// The body exceeds the bound.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "Sorğunun gövdəsi həddən böyükdür", "The body is too large";
    /// The content type is not `application/json`.
    WrongContentType = "wrong-content-type", UNSUPPORTED_MEDIA_TYPE, "Məzmun növü dəstəklənmir", "The content type is not supported";
    /// JSON that breaks the contract; `errors` lists every place.
    ContractBroken = "contract-broken", UNPROCESSABLE_ENTITY, "Sorğu müqaviləyə uyğun deyil", "The request breaks the contract";
    /// The certificate belongs to no consumer.
    UnknownConsumer = "unknown-consumer", FORBIDDEN, "Sertifikat heç bir istehlakçıya aid deyil", "The certificate belongs to no consumer";
    /// The client certificate expired while its connection was open.
    CertificateExpired = "certificate-expired", FORBIDDEN, "Sertifikatın müddəti bitib", "The certificate has expired";
    /// The console was asked without a certificate.
    NoCertificate = "no-certificate", UNAUTHORIZED, "Sertifikat təqdim olunmayıb", "No certificate was presented";
    /// The certificate belongs to nobody who may use the console.
    UnknownPerson = "unknown-person", FORBIDDEN, "Sertifikat konsoldan istifadə edən heç kimə aid deyil", "The certificate belongs to nobody who may use the console";
    /// None of his offices lets this person do that.
    OfficeMissing = "office-missing", FORBIDDEN, "Bunun üçün vəzifə səlahiyyəti yoxdur", "No office lets this person do that";
    /// The register of rights does not let him decide that.
    NotEntitled = "not-entitled", FORBIDDEN, "Bu qərar həmin şəxsin səlahiyyətində deyil", "This is not for this person to decide";
    /// A rule of the register of rights stands against it.
    RegisterRefuses = "register-refuses", CONFLICT, "Hüquqlar reyestrinin qaydası buna yol vermir", "A rule of the register of rights stands against it";
    /// Policy refused; `errors` lists every reason.
    Denied = "denied", FORBIDDEN, "Sorğuya icazə verilmir", "The request is not allowed";
    /// The citizen's assertion does not prove that he asks.
    AssertionRefused = "assertion-refused", FORBIDDEN, "Vətəndaşın təsdiqi qəbul olunmur", "The citizen's assertion is not accepted";
    /// No such provider, service, dossier or resource.
    NotFound = "not-found", NOT_FOUND, "Belə ünvan yoxdur", "There is no such resource";
    /// The method is not offered there.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Metod dəstəklənmir", "The method is not offered here";
    /// The case exists with other content, or is closed.
    CaseConflict = "case-conflict", CONFLICT, "İş başqa məzmunla mövcuddur və ya bağlanıb", "The case exists with other content or is closed";
    /// The override has been reviewed already.
    ReviewedBefore = "reviewed-before", CONFLICT, "Artıq araşdırılıb", "It has been reviewed already";
    /// The idempotency key was used for another body, or its first request is under way.
    IdempotencyConflict = "idempotency-conflict", CONFLICT, "Təkrar açarı başqa sorğuda istifadə olunub", "The idempotency key is in use";
    /// The provider answered something its contract forbids.
    InvalidData = "invalid-data", BAD_GATEWAY, "Mənbənin cavabı müqaviləyə uyğun deyil", "The source's answer breaks its contract";
    /// The provider or the route refused the question.
    ProviderDenied = "provider-denied", BAD_GATEWAY, "Mənbə sorğudan imtina etdi", "The source refused the request";
    /// The source could not be reached or is out of order.
    SourceUnavailable = "source-unavailable", SERVICE_UNAVAILABLE, "Mənbə əlçatan deyil", "The source is unavailable";
    /// The source has failed too often of late: its breaker is open, it was not asked.
    SourceSuspended = "source-suspended", SERVICE_UNAVAILABLE, "Mənbəyə sorğular dayandırılıb", "The source is suspended";
    /// The source's quota or its bulkhead is full beyond the deadline; it was not asked.
    SourceBusy = "source-busy", SERVICE_UNAVAILABLE, "Mənbənin həddi dolub", "The source's limit is reached";
    /// `only-if-cached`, and there is no kept answer (RFC 9111, section 5.2.1.7).
    NotCached = "not-cached", GATEWAY_TIMEOUT, "Saxlanmış cavab yoxdur", "There is no kept answer";
    /// The consumer's own quota is used up.
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "Sorğuların həddi dolub", "The request quota is used up";
    /// The deadline passed before the source answered.
    DeadlinePassed = "deadline-passed", GATEWAY_TIMEOUT, "Mənbə vaxtında cavab vermədi", "The source did not answer in time";
    /// The journal cannot take the exchange, so nothing is released, even where the source was asked already.
    JournalUnavailable = "journal-unavailable", SERVICE_UNAVAILABLE, "Jurnal yazıla bilmir, heç nə verilmir", "The journal cannot be written, nothing is released";
    /// The journal takes no entry of this size, so nothing is released: the same would come of it again.
    TooLargeToJournal = "too-large-to-journal", INTERNAL_SERVER_ERROR, "Cavab jurnala sığmır, heç nə verilmir", "The answer does not fit into the journal, nothing is released";
    /// The identity provider of officials does not answer, and no key of its is at hand.
    IdentityProviderUnavailable = "identity-provider-unavailable", SERVICE_UNAVAILABLE, "Vəzifəli şəxslərin eyniləşdirmə xidməti əlçatan deyil", "The identity provider of officials is unavailable";
    /// The gateway is stopping or a part of it failed.
    GatewayUnavailable = "gateway-unavailable", SERVICE_UNAVAILABLE, "Şlüz hazırda xidmət göstərmir", "The gateway is not serving at the moment";
}

/// One broken rule of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// JSON pointer into the request body, such as `/subject/fin`.
    pub pointer: String,
    /// The rule and what is accepted; never the value that was sent.
    pub detail: String,
}

/// A failure on its way to the caller.
#[derive(Debug)]
pub struct Problem(Box<Body>);

#[derive(Debug, Serialize)]
struct Body {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    request_id: String,
    code: &'static str,
    origin: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<ReceiptBody>,
    #[serde(skip)]
    language: Language,
    #[serde(skip)]
    retry_after_secs: Option<u64>,
}

impl Problem {
    /// A problem with its code's title; `detail` says what happened and what to do next.
    #[must_use]
    pub fn new(code: Code, origin: Origin, request_id: &str, language: Language, detail: impl Into<String>) -> Self {
        Self(Box::new(Body {
            kind: format!("urn:qovsaq:problem:{}", code.as_str()),
            title: code.title(language),
            status: code.status().as_u16(),
            detail: detail.into(),
            request_id: request_id.to_owned(),
            code: code.as_str(),
            origin,
            outcome: None,
            errors: Vec::new(),
            receipt: None,
            language,
            retry_after_secs: None,
        }))
    }

    /// Adds the outcome of the exchange.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = Some(outcome);
        self
    }

    /// Adds the broken rules.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Adds the proof that the exchange was journalled.
    #[must_use]
    pub fn receipt(mut self, receipt: ReceiptBody) -> Self {
        self.0.receipt = Some(receipt);
        self
    }

    /// Says when asking again makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_secs = Some(seconds);
        self
    }

    /// The document itself, as JSON.
    #[must_use]
    pub fn body(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// The status it answers with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(self.0.language.tag()));
        if let Ok(id) = HeaderValue::from_str(&self.0.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(seconds) = self.0.retry_after_secs {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_first_known_one() {
        let of = |text: &'static str| Language::from_header(Some(&HeaderValue::from_static(text)));
        assert_eq!(of("en-GB,az;q=0.5"), Language::En);
        assert_eq!(of("fr, az"), Language::Az);
        assert_eq!(of("*"), Language::Az);
        assert_eq!(Language::from_header(None), Language::Az);
    }

    #[test]
    fn codes_are_unique() {
        let mut codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Code::ALL.len());
    }
}
