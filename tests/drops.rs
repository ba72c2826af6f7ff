//! Dropped at every await: whatever moment a caller goes away at, the question it began is answered
//! once; and whatever moment the task of a call is dropped at, its intent gets exactly one outcome and
//! the source is asked at most once (R2, R6).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use model::{Profile, ServiceId};
use qovsaq::envelope::{Envelope, Expected};
use qovsaq::exchange::{Exchange, Freshness};
use qovsaq::gateway::Gateway;
use qovsaq::pipeline::{self, Ending};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::house::{House, body_for, subscriber_code, until};
use crate::ledger;

/// Services of every protocol: X-Road SOAP, X-Road REST, plain SOAP, SOAP with a signature, REST, and REST
/// that answers later.
const ONE_OF_EACH: [&str; 6] = [
    "interior/person-identity",
    "justice/enforcement-debt",
    "taxes/person-income",
    "property/ownership",
    "azerishiq/subscriber",
    "credit-bureau/obligations-summary",
];
/// Most times a future is polled before it must be done.
const POLLS_MAX: usize = 200;
/// Most steps of a runtime within which an exchange must be done.
const STEPS_MAX: usize = 10_000_000;
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

fn exchange(house: &House, service: &str, body: &Json) -> Arc<Exchange> {
    let active = Arc::clone(&house.environment.gateway.gateway.active());
    let service = active.snapshot.services[&ServiceId::new(service).expect("an id")].clone();
    let envelope = Envelope::read(body, Expected::by(&service, Profile::Test)).expect("a sound envelope");
    let consumer = active.snapshot.consumers.keys().find(|id| id.as_str() == "targeted-aid").expect("known").clone();
    let (request_id, freshness) = (Uuid::now_v7(), Freshness::default());
    Arc::new(Exchange {
        request_id,
        dossier_id: None,
        active,
        consumer,
        service,
        envelope,
        presence: qovsaq::exchange::Presence::NOT_SENT,
        freshness,
        traced: false,
    })
}

fn gateway(house: &House) -> Arc<Gateway> {
    Arc::clone(&house.environment.gateway.gateway)
}

/// Waits until no call and no dossier is under way, whoever began it.
async fn idle(gateway: &Gateway) {
    until("no exchange is under way", || gateway.exchanges.is_empty().then_some(())).await;
}

/// What a moment of dropping left behind: how many intents, and how the newest was closed.
async fn left_behind(house: &House, before: u64) -> (usize, Option<Json>) {
    // An intent that was dropped while it waited may be on its way to the disk yet: what comes after it is not
    // durable before it is.
    gateway(house).recorder.event(Kind::KeyChanged, &json!({"what": "nothing"})).await.expect("there is room");
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    let new: Vec<_> = ledger::closers(&lines).into_iter().filter(|(intent, _)| *intent > before).collect();
    let closing = new.last().map(|(_, closing)| closing[0].metadata["reason"].clone());
    (new.len(), closing)
}

async fn last_index(house: &House) -> u64 {
    house.closed_lines().await.last().expect("the start").index
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_dropped_at_any_await_leaves_its_question_to_be_answered_once() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let fin = &*house.applicant().fin;
    let code = subscriber_code(&client, fin, &case).await;
    for service in ONE_OF_EACH {
        let body = body_for(service, fin, &case, &code);
        let mut left_alone = 0;
        // Twice: the first use of a consent is entered on the way, and once that is done fewer polls lead further.
        for _ in 0..2 {
            for polls in 0.. {
                assert!(polls < POLLS_MAX, "{service} is not done after {POLLS_MAX} polls");
                let (calls_before, before) = (house.asked(), last_index(&house).await);
                let gateway = gateway(&house);
                let run = async { pipeline::run(&gateway, &exchange(&house, service, &body), Instant::now() + WAIT).await };
                let ended = Polls { future: Box::pin(run), left: polls }.await;
                idle(&gateway).await;

                let (intents, reason) = left_behind(&house, before).await;
                let calls = house.asked() - calls_before;
                assert!(intents <= 1 && reason.is_none_or(|reason| reason.is_null()), "{service}: {intents} after {polls} polls");
                // The flight outlives the caller: what was about to be asked is asked, once.
                assert!(calls == 0 && intents == 0 || calls == 1 && intents == 1, "{service}: {calls} calls after {polls} polls");
                left_alone += usize::from(ended.is_none() && intents == 1);
                if let Some(ending) = ended {
                    assert!(matches!(ending, Ok(Ending::Answered(_))), "{service}: {ending:?}");
                    assert_eq!(intents, 1);
                    break;
                }
            }
        }
        assert!(left_alone > 0, "{service}: no flight was ever left alone");
    }
    house.stop().await;
}

/// Runs a question on a runtime of its own for so many steps, and ends that runtime: every task on it,
/// the flight above all, is dropped where it stands. Tells whether the question was answered by then.
fn drop_after(steps: usize, gateway: &Arc<Gateway>, exchange: Arc<Exchange>) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(1).build().expect("a runtime");
    let gateway = Arc::clone(gateway);
    let asking = runtime.spawn(async move { pipeline::run(&gateway, &exchange, Instant::now() + WAIT).await.map(drop) });
    let done = runtime.block_on(async {
        for _ in 0..steps {
            if asking.is_finished() {
                break;
            }
            tokio::task::yield_now().await;
        }
        asking.is_finished()
    });
    drop(runtime);
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_dropped_at_any_moment_closes_its_intent_once() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let fin = &*house.applicant().fin;
    let code = subscriber_code(&client, fin, &case).await;
    for service in ONE_OF_EACH {
        let body = body_for(service, fin, &case, &code);
        let (mut cancelled, mut steps) = (0, 0);
        loop {
            assert!(steps < STEPS_MAX, "{service} is not done after {steps} steps");
            let (calls_before, before) = (house.asked(), last_index(&house).await);
            let (gateway, asked) = (gateway(&house), exchange(&house, service, &body));
            // A runtime may not be ended on another's threads.
            let done = tokio::task::spawn_blocking(move || drop_after(steps, &gateway, asked)).await.expect("it ends");

            let (intents, reason) = left_behind(&house, before).await;
            assert!(intents <= 1, "{service}: {intents} intents after {steps} steps");
            cancelled += usize::from(reason == Some(json!("cancelled")));
            // A call whose connection was given up may still be counted a moment later: the bound holds at any moment.
            let calls = house.asked() - calls_before;
            assert!(calls <= 1, "{service}: {calls} calls after {steps} steps");
            if done {
                assert_eq!(intents, 1, "{service} after {steps} steps");
                break;
            }
            // Every step at first; later, most steps are the same wait for the source.
            steps += 1 + steps / 8;
        }
        assert!(cancelled > 0, "{service}: no call was ever under way when it was dropped");
    }
    assert_eq!(gateway(&house).flights.count(), 0, "a dropped flight leaves nothing behind");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_aboard_a_flight_that_is_dropped_are_answered_by_another() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let body = body_for("interior/person-identity", &house.applicant().fin, &case, "");
    house.set_fault("interior/person-identity", "hang", Some(1));
    let before = last_index(&house).await;
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let leading = {
        let (gateway, exchange) = (gateway(&house), exchange(&house, "interior/person-identity", &body));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
            runtime.spawn(async move { pipeline::run(&gateway, &exchange, Instant::now() + WAIT).await.map(drop) });
            ended.recv().unwrap_or_default();
        })
    };
    until("the source is asked", || (house.environment.agencies["interior"].calls().total == 1).then_some(())).await;
    let gateway = gateway(&house);
    let follower = exchange(&house, "interior/person-identity", &body);
    let following = tokio::spawn(async move { pipeline::run(&gateway, &follower, Instant::now() + WAIT).await });
    end.send(()).expect("the leader waits");
    leading.join().expect("the leader's runtime ends");

    let Ok(Ok(Ending::Answered(answered))) = following.await else { panic!("the follower is answered") };
    assert_eq!(answered.obtained.outcome, model::Outcome::Found);
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    let reasons: Vec<Json> = ledger::closers(&lines)
        .into_iter()
        .filter(|(intent, _)| *intent > before)
        .map(|(_, closing)| closing[0].metadata["reason"].clone())
        .collect();
    assert_eq!(reasons, [json!("cancelled"), Json::Null]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_does_not_stop_its_call() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    house.set_fault("interior/person-identity", "slow", Some(1));
    let before = last_index(&house).await;
    let body = body_for("interior/person-identity", &house.applicant().fin, &case, "");
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.post("/v1/services/interior/person-identity", &body, "en").await.map(drop) }
    });
    until("the source is asked", || (house.environment.agencies["interior"].calls().total == 1).then_some(())).await;
    asking.abort();
    assert!(asking.await.is_err(), "the answer comes three seconds late");
    // It is answered and journalled all the same; told to nobody, it is not disclosed.
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    let new: Vec<u8> = lines.iter().filter(|line| line.index > before).map(|line| line.kind).collect();
    assert_eq!(new, [Kind::Intent.number(), Kind::Answered.number()]);
    house.stop().await;
}
