//! The laws can be broken: for each one a dishonest adapter, which the list finds out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::Instant;

use super::server::{Issued, Seen, check_laws, laws_broken};
use crate::kit::Law;
use crate::{
    Call, CallError, CallErrorKind, CallFuture, Cause, Context, Expected, Identity, Question, Request, SecretText, Sent, Transport,
    TransportOptions, WireAnswer,
};

const HONEST: Expected = Expected { media_types: &["application/json"], empty: true };
const ANY: Expected = Expected { media_types: &["application/json", "application/octet-stream"], empty: true };

/// The least that an adapter can be, and the law that it breaks, if any.
#[derive(Debug)]
struct Plain {
    transport: Arc<Transport>,
    breaks: Option<Law>,
    asked: AtomicU64,
}

impl Plain {
    async fn ask(&self, question: &Question, context: &Context<'_>) -> Result<WireAnswer, CallError> {
        let mut request = match (self.write(question, context), self.breaks) {
            (Err(_), Some(Law::RefusesOtherQuestions)) => Self::request("/x".into(), None),
            (written, _) => written?,
        };
        match self.breaks {
            Some(Law::WritesWhatItSends) => request.path_and_query = "/elsewhere".into(),
            Some(Law::SameIdAgain) => {
                request.path_and_query = format!("/x?n={}", self.asked.fetch_add(1, Ordering::SeqCst)).into();
            }
            _ => {}
        }
        let late = self.breaks == Some(Law::DeadlinePassed) && context.deadline <= Instant::now();
        let deadline = if late { Instant::now() + Duration::from_millis(300) } else { context.deadline };
        let expected = if self.breaks == Some(Law::RefusesOtherMedia) { ANY } else { HONEST };
        let again = request.clone();
        let answered = self.transport.send(request, expected, deadline).await;
        match (self.breaks, answered) {
            (Some(Law::Answers), Ok(answer)) => Ok(WireAnswer { body: Bytes::from_static(b"[]"), ..answer }),
            (Some(Law::AsksOnce | Law::FollowsNothing), Err(_)) => self.transport.send(again, expected, deadline).await,
            (Some(Law::EndsWhenHung | Law::EndsWhenDripping), Err(error)) if error.kind() == &CallErrorKind::Deadline => {
                Err(CallError::new(CallErrorKind::Reset, Sent::Maybe))
            }
            (Some(Law::SaysWhenUnsent), Err(error)) => Err(error.with_sent(Sent::Maybe)),
            (Some(Law::IsSilent), Err(error)) => Err(error.with_source(Cause::Protocol("no answer about 5K7QX2O"))),
            (_, answered) => answered,
        }
    }

    fn request(path_and_query: SecretText, body: Option<Bytes>) -> Request {
        Request { method: Method::POST, path_and_query, headers: HeaderMap::new(), body }
    }
}

impl Call for Plain {
    fn write(&self, question: &Question, _context: &Context<'_>) -> Result<Request, CallError> {
        let Question::Rest { path_and_query, body, .. } = question else { return Err(CallError::question("not REST")) };
        Ok(Self::request(path_and_query.clone(), body.clone()))
    }

    fn call<'a>(&'a self, question: &'a Question, context: &'a Context<'a>) -> CallFuture<'a> {
        if self.breaks != Some(Law::EndsWhenDropped) {
            return Box::pin(self.ask(question, context));
        }
        // A task of its own outlives whoever waits for it.
        let (transport, request, deadline) = (Arc::clone(&self.transport), self.write(question, context), context.deadline);
        let asking = tokio::spawn(async move { transport.send(request?, HONEST, deadline).await });
        Box::pin(async move { asking.await.unwrap_or_else(|_| Err(CallError::malformed("the task ended"))) })
    }
}

fn plain(url: &str, roots: String, client: Issued, breaks: Option<Law>) -> Arc<dyn Call> {
    let mut options = TransportOptions::new(url.to_owned(), roots, Some(Identity::new(client.certificate, client.key)));
    if breaks == Some(Law::BoundsTheBody) {
        options.body_bytes_max = 1 << 30;
    }
    Arc::new(Plain { transport: Arc::new(Transport::new(options).expect("options are good")), breaks, asked: AtomicU64::new(0) })
}

fn question() -> Question {
    let body = Some(Bytes::from_static(br#"{"fin":"5K7QX2O"}"#));
    Question::Rest { method: Method::POST, path_and_query: "/x?fin=5K7QX2O".into(), body }
}

fn answer(_: &Seen) -> (String, Vec<u8>) {
    ("content-type: application/json\r\n".to_owned(), b"{}".to_vec())
}

#[tokio::test]
async fn the_least_adapter_keeps_every_law() {
    check_laws(|url, roots, client| plain(url, roots, client, None), question(), answer).await;
}

#[tokio::test]
async fn an_adapter_that_breaks_a_law_is_found_out() {
    for law in Law::ALL {
        // Of the certificate the shared transport takes care, which has no way round.
        if *law == Law::ChecksTheCertificate {
            continue;
        }
        let tried: &[Law] = if *law == Law::IsSilent { &[Law::AsksOnce, Law::IsSilent] } else { std::slice::from_ref(law) };
        let broken = laws_broken(|url, roots, client| plain(url, roots, client, Some(*law)), question(), answer, tried).await;
        assert_eq!(broken.iter().map(|broken| broken.law).collect::<Vec<_>>(), [*law], "{broken:?}");
    }
}
