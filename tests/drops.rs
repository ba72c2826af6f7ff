//! Dropped at every await: whatever moment the task of an exchange is dropped at, its intent gets
//! exactly one outcome and the source is asked at most once (R2, R6).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use model::{Profile, ServiceId};
use policy::Decision;
use qovsaq::envelope::{Envelope, Expected};
use qovsaq::pipeline::{self, Ending, Exchange};
use qovsaq::trace::Trace;
use serde_json::Value as Json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::house::{House, SERVICES, body_for, subscriber_code};
use crate::ledger;

/// Most times a future is polled before it must be done.
const POLLS_MAX: usize = 200;
/// The deadline of each exchange.
const WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Polls a future so many times and no more; `None` when it was not done by then.
struct Polls<F> {
    future: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for Polls<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        match self.future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn exchange(house: &House, service: &str, body: &Json) -> Exchange {
    let active = Arc::clone(&house.environment.gateway.gateway.active());
    let service = active.snapshot.services[&ServiceId::new(service).expect("an id")].clone();
    let envelope = Envelope::read(body, Expected::by(&service, Profile::Test)).expect("a sound envelope");
    let consumer = active.snapshot.consumers.keys().find(|id| id.as_str() == "targeted-aid").expect("known").clone();
    Exchange { request_id: Uuid::now_v7(), dossier_id: None, active, consumer, service, envelope }
}

/// Drops the whole exchange after 0, 1, 2… polls, until it comes to its end.
/// Returns how often the intent was closed as cancelled.
async fn check_every_drop(house: &House, service: &'static str, body: &Json) -> usize {
    let gateway = Arc::clone(&house.environment.gateway.gateway);
    let mut cancelled = 0;
    for polls in 0..POLLS_MAX {
        let calls_before = house.calls();
        let intents_before = ledger::closers(&house.closed_lines().await).len();
        let run = pipeline::run(Arc::clone(&gateway), exchange(house, service, body), Instant::now() + WAIT, Trace::default());
        let ended = Polls { future: Box::pin(run), left: polls }.await;

        let lines = house.closed_lines().await;
        ledger::check_rules(&lines);
        let closers = ledger::closers(&lines);
        let intents = closers.len() - intents_before;
        if intents == 1 {
            let closing = closers.last_key_value().map(|(_, closing)| closing[0].metadata["reason"].clone());
            cancelled += usize::from(closing == Some(Json::from("cancelled")));
        }
        // A call whose stream was given up may still be counted a moment later: the bound holds at any moment.
        let calls = house.calls() - calls_before;
        assert!(intents <= 1, "{intents} intents after {polls} polls");
        assert!(calls <= 1, "{calls} calls after {polls} polls");
        if let Some((ending, _)) = ended {
            assert!(matches!(ending, Ending::Answered(_)), "{ending:?}");
            assert_eq!((intents, calls), (1, 1));
            return cancelled;
        }
    }
    panic!("not done after {POLLS_MAX} polls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_dropped_at_any_await_closes_its_intent_once() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let fin = &*house.applicant().fin;
    let code = subscriber_code(&client, fin, &case).await;
    let mut cancelled = 0;
    for service in SERVICES {
        cancelled += check_every_drop(&house, service, &body_for(service, fin, &case, &code)).await;
    }
    // Dropped between the intent and its answer at least once each: the call always waits for the source.
    assert!(cancelled >= SERVICES.len(), "only {cancelled} intents were cancelled");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_dropped_at_any_await_closes_its_intent_once() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let body = body_for("interior/person-identity", &house.applicant().fin, &case, "");
    let gateway = Arc::clone(&house.environment.gateway.gateway);
    for polls in 0..POLLS_MAX {
        let exchange = exchange(&house, "interior/person-identity", &body);
        let Ok(Decision::Authorised(authorised)) = pipeline::authorise(&gateway, &exchange).await else { panic!("granted") };
        let calls_before = house.calls();
        let mut trace = Trace::default();
        let obtain = pipeline::obtain(&gateway, &exchange, &authorised, Instant::now() + WAIT, &mut trace);
        let done = Polls { future: Box::pin(obtain), left: polls }.await.is_some();
        ledger::check_rules(&house.closed_lines().await);
        assert!(house.calls() - calls_before <= 1);
        if done {
            return house.stop().await;
        }
    }
    panic!("not done after {POLLS_MAX} polls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_does_not_stop_its_exchange() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    house.set_fault("interior/person-identity", "slow", Some(1));
    let before = house.lines().len();
    let body = body_for("interior/person-identity", &house.applicant().fin, &case, "");
    let impatient =
        tokio::time::timeout(std::time::Duration::from_millis(500), client.post("/v1/services/interior/person-identity", &body, "en"));
    assert!(impatient.await.is_err(), "the answer comes three seconds late");
    drop(client);
    // Intent, Answered and Disclosed stand there all the same.
    crate::house::until("the exchange is disclosed", || {
        let lines = house.lines();
        lines[before..].iter().any(|line| line.is(qovsaq::record::Kind::Disclosed)).then_some(())
    })
    .await;
    ledger::check_rules(&house.lines());
    house.stop().await;
}
