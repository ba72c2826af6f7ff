//! Question to request. Pure.

use adapter_core::{CallError, Context, Expected, Question, Request};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use crate::config::RestConfig;

/// An answer is JSON, a problem document (RFC 9457) or, for a success, nothing at all.
pub(crate) const EXPECTED: Expected = Expected { media_types: &["application/json", "application/problem+json"], empty: true };

/// Writes the request. The official and the case are not sent: plain REST has no place for them.
///
/// # Errors
/// A question that is not a REST question.
pub fn write(_config: &RestConfig, question: &Question, _context: &Context<'_>) -> Result<Request, CallError> {
    let Question::Rest { method, path_and_query, body } = question else {
        return Err(CallError::question("a REST adapter was asked something else"));
    };
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
    if body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(Request { method: method.clone(), path_and_query: path_and_query.clone(), headers, body: body.clone() })
}
