use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::*;

/// What a test tells a flight's work to do.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Land(u32),
    Panic,
}

type Gate = oneshot::Sender<Fate>;
type Work = Pin<Box<dyn Future<Output = u32> + Send>>;

/// Work that waits for its fate.
fn work() -> (Gate, impl FnOnce() -> Work + Send + 'static) {
    let (gate, fate) = oneshot::channel();
    let work = || -> Work {
        Box::pin(async move {
            match fate.await {
                Ok(Fate::Land(value)) => value,
                // Unwinds like a panic, without a message among the tests' output.
                Ok(Fate::Panic) | Err(_) => std::panic::resume_unwind(Box::new("told to")),
            }
        })
    };
    (gate, work)
}

/// Work nobody should have begun.
async fn never() -> u32 {
    panic!("a second call for the same question")
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn landed<T>(value: T, led: bool) -> Waited<T> {
    Waited::Landed { value, led }
}

fn set() -> (Flights<u32>, TaskTracker) {
    (Flights::new(), TaskTracker::new())
}

#[tokio::test]
async fn a_hundred_callers_make_one_call() {
    let (flights, tasks) = set();
    let calls = Arc::new(AtomicUsize::new(0));
    let (gate, go) = oneshot::channel::<()>();
    let go = Arc::new(Mutex::new(Some(go)));
    let aboard: Vec<_> = (0..100)
        .map(|_| {
            let (calls, go) = (Arc::clone(&calls), Arc::clone(&go));
            flights.fly(Some(Key::any(1)), &tasks, move || async move {
                calls.fetch_add(1, Ordering::SeqCst);
                let go = go.lock().expect("no panic").take().expect("called once");
                go.await.expect("opened");
                42
            })
        })
        .collect();
    assert_eq!((aboard.iter().filter(|flight| flight.led()).count(), flights.count()), (1, 1));
    gate.send(()).expect("waited for");
    for mut flight in aboard {
        let led = flight.led();
        assert_eq!(flight.wait(far()).await, landed(42, led));
    }
    assert_eq!((calls.load(Ordering::SeqCst), flights.count()), (1, 0));
}

#[tokio::test]
async fn a_leader_that_goes_away_leaves_the_flight_to_its_followers() {
    let (flights, tasks) = set();
    let (gate, work) = work();
    let leader = flights.fly(Some(Key::any(1)), &tasks, work);
    let mut follower = flights.fly(Some(Key::any(1)), &tasks, never);
    assert!(leader.led() && !follower.led());
    drop(leader);
    gate.send(Fate::Land(7)).expect("waited for");
    assert_eq!(follower.wait(far()).await, landed(7, false));
}

#[tokio::test]
async fn a_flight_with_nobody_aboard_still_lands() {
    let (flights, tasks) = set();
    let (gate, work) = work();
    drop(flights.fly(Some(Key::any(1)), &tasks, work));
    assert_eq!(flights.count(), 1);
    gate.send(Fate::Land(7)).expect("waited for");
    tasks.close();
    tasks.wait().await;
    assert_eq!(flights.count(), 0);
}

#[tokio::test]
async fn a_panic_tells_everyone_and_the_next_asks_anew() {
    let (flights, tasks) = set();
    let (gate, fails) = work();
    let mut leader = flights.fly(Some(Key::any(1)), &tasks, fails);
    let mut follower = flights.fly(Some(Key::any(1)), &tasks, never);
    gate.send(Fate::Panic).expect("waited for");
    assert_eq!(leader.wait(far()).await, Waited::Gone);
    assert_eq!(follower.wait(far()).await, Waited::Gone);
    assert_eq!(flights.count(), 0);

    let (gate, works) = work();
    let mut next = flights.fly(Some(Key::any(1)), &tasks, works);
    gate.send(Fate::Land(7)).expect("waited for");
    assert_eq!(next.wait(far()).await, landed(7, true));
    assert_eq!(leader.wait(far()).await, Waited::Gone, "an old flight does not see the new one");
}

#[tokio::test]
async fn work_that_panics_before_it_begins_is_gone_too() {
    fn explode() -> Work {
        std::panic::resume_unwind(Box::new("told to"))
    }
    let (flights, tasks) = set();
    let mut leader = flights.fly(Some(Key::any(1)), &tasks, explode);
    assert_eq!(leader.wait(far()).await, Waited::Gone);
    assert_eq!(flights.count(), 0);
}

#[test]
fn a_runtime_that_ends_takes_its_flights_with_it() {
    let (flights, tasks) = set();
    let runtime = || Builder::new_current_thread().enable_time().build().expect("a runtime");
    let first = runtime();
    let (_gate, work) = work();
    let mut flight = first.block_on(async { flights.fly(Some(Key::any(1)), &tasks, work) });
    assert_eq!(flights.count(), 1);
    drop(first);
    assert_eq!(flights.count(), 0);
    runtime().block_on(async { assert_eq!(flight.wait(far()).await, Waited::Gone) });
}

#[test]
fn a_flight_that_cannot_begin_leaves_nothing_behind() {
    let (flights, tasks) = set();
    let outside = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| flights.fly(Some(Key::any(1)), &tasks, never)));
    assert!(outside.is_err(), "there is no runtime");
    assert_eq!(flights.count(), 0);
}

#[tokio::test]
async fn an_error_is_shared_as_it_is() {
    let flights = Flights::<Result<u32, Arc<std::io::Error>>>::new();
    let tasks = TaskTracker::new();
    let (gate, go) = oneshot::channel::<()>();
    let fails = || async move {
        go.await.expect("opened");
        Err(Arc::new(std::io::Error::other("reset")))
    };
    let mut leader = flights.fly(Some(Key::any(1)), &tasks, fails);
    let mut follower = flights.fly(Some(Key::any(1)), &tasks, || async { Ok(1) });
    gate.send(()).expect("waited for");
    let (Waited::Landed { value: Err(one), led: true }, Waited::Landed { value: Err(two), led: false }) =
        (leader.wait(far()).await, follower.wait(far()).await)
    else {
        panic!("an error each")
    };
    assert!(Arc::ptr_eq(&one, &two));
}

#[tokio::test]
async fn other_keys_and_no_key_fly_alone() {
    let (flights, tasks) = set();
    let (mut gates, mut aboard) = (Vec::new(), Vec::new());
    for key in [Some(Key::any(1)), Some(Key::any(2)), None, None] {
        let (gate, work) = work();
        gates.push(gate);
        aboard.push(flights.fly(key, &tasks, work));
    }
    assert!(aboard.iter().all(Flight::led));
    assert_eq!(flights.count(), 2, "what has no key is not found by anyone");
    for (number, gate) in (0..).zip(gates) {
        gate.send(Fate::Land(number)).expect("waited for");
    }
    for (number, flight) in (0..).zip(&mut aboard) {
        assert_eq!(flight.wait(far()).await, landed(number, true));
    }
    assert_eq!(flights.count(), 0);
}

#[tokio::test]
async fn a_deadline_ends_the_waiting_and_not_the_flight() {
    let (flights, tasks) = set();
    let (gate, work) = work();
    let mut flight = flights.fly(Some(Key::any(1)), &tasks, work);
    let past = Instant::now();
    assert_eq!(flight.wait(past).await, Waited::Deadline);
    assert_eq!(flights.count(), 1);
    gate.send(Fate::Land(7)).expect("waited for");
    assert_eq!(flight.wait(far()).await, landed(7, true));
    assert_eq!(flight.wait(past).await, landed(7, true), "what has landed is given even late, and again");
}

#[tokio::test]
async fn waiting_may_be_given_up_and_taken_up_again() {
    let (flights, tasks) = set();
    let (gate, work) = work();
    let mut flight = flights.fly(Some(Key::any(1)), &tasks, work);
    for _ in 0..3 {
        tokio::select! {
            biased;
            waited = flight.wait(far()) => panic!("{waited:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    gate.send(Fate::Land(7)).expect("waited for");
    assert_eq!(flight.wait(far()).await, landed(7, true));
}

#[test]
fn nobody_who_comes_after_a_landing_sees_its_result() {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_time().build().expect("a runtime");
    let (flights, tasks) = set();
    let (made, seen) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (flights, tasks, made, seen) = (flights.clone(), tasks.clone(), Arc::clone(&made), Arc::clone(&seen));
            runtime.spawn(async move {
                for _ in 0..2_000 {
                    let newest_seen = seen.load(Ordering::SeqCst);
                    let made = Arc::clone(&made);
                    let work = || async move { made.fetch_add(1, Ordering::SeqCst) + 1 };
                    let Waited::Landed { value, .. } = flights.fly(Some(Key::any(1)), &tasks, work).wait(far()).await else {
                        panic!("it lands")
                    };
                    assert!(value > newest_seen, "a result that someone already had");
                    seen.fetch_max(value, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for caller in callers {
        runtime.block_on(caller).expect("no panic");
    }
    assert_eq!(flights.count(), 0);
}

#[test]
fn debug_shows_no_result() {
    let (flights, tasks) = set();
    let runtime = Runtime::new().expect("a runtime");
    let shown = runtime.block_on(async {
        let mut flight = flights.fly(None, &tasks, || async { 987_654 });
        assert_eq!(flight.wait(far()).await, landed(987_654, true));
        format!("{flights:?} {flight:?}")
    });
    assert_eq!(shown, "Flights { count: 0, .. } Flight { led: true, .. }");
}

#[derive(Debug, Clone)]
enum Step {
    /// Someone asks under this key, or without one.
    Ask(Option<u8>),
    /// One of those aboard stops waiting and goes away.
    Leave(usize),
    /// One of the flights under way ends like this.
    End(usize, Option<u32>),
    /// Someone aboard looks, without time to wait.
    Look(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::option::weighted(0.9, 0..3_u8).prop_map(Step::Ask),
        2 => (0..12_usize).prop_map(Step::Leave),
        3 => (0..6_usize, proptest::option::weighted(0.7, any::<u32>())).prop_map(|(which, fate)| Step::End(which, fate)),
        2 => (0..12_usize).prop_map(Step::Look),
    ]
}

/// What the model knows of a flight.
struct Known {
    key: Option<u8>,
    gate: Option<Gate>,
    end: Option<Waited<u32>>,
}

/// Those aboard: which flight each is on.
type Aboard = Vec<(usize, Flight<u32>)>;

async fn look(known: &[Known], (on, flight): &mut (usize, Flight<u32>)) {
    let expected = match &known[*on].end {
        None => Waited::Deadline,
        Some(Waited::Landed { value, .. }) => landed(*value, flight.led()),
        Some(other @ (Waited::Deadline | Waited::Gone)) => *other,
    };
    assert_eq!(flight.wait(Instant::now()).await, expected);
}

async fn end(known: &mut Known, tasks: &TaskTracker, fate: Option<u32>) {
    let Some(gate) = known.gate.take() else { return };
    gate.send(fate.map_or(Fate::Panic, Fate::Land)).expect("the flight outlives its callers");
    known.end = Some(fate.map_or(Waited::Gone, |value| landed(value, true)));
    // Until its task is over; on one thread nothing else moves meanwhile.
    let left = tasks.len() - 1;
    while tasks.len() > left {
        tokio::task::yield_now().await;
    }
}

async fn play(steps: Vec<Step>) {
    let (flights, tasks) = set();
    let mut known: Vec<Known> = Vec::new();
    let mut aboard = Aboard::new();
    for step in steps {
        match step {
            Step::Ask(key) => {
                let under_way = known.iter().position(|flight| key.is_some() && flight.key == key && flight.end.is_none());
                let (gate, work) = work();
                let flight = flights.fly(key.map(Key::any), &tasks, work);
                assert_eq!(flight.led(), under_way.is_none());
                let on = under_way.unwrap_or(known.len());
                if flight.led() {
                    known.push(Known { key, gate: Some(gate), end: None });
                }
                aboard.push((on, flight));
            }
            Step::Leave(who) if who < aboard.len() => drop(aboard.swap_remove(who)),
            Step::End(which, fate) if which < known.len() => end(&mut known[which], &tasks, fate).await,
            Step::Look(who) if who < aboard.len() => look(&known, &mut aboard[who]).await,
            Step::Leave(_) | Step::End(..) | Step::Look(_) => {}
        }
        let shared = known.iter().filter(|flight| flight.key.is_some() && flight.end.is_none()).count();
        assert_eq!(flights.count(), shared);
    }
    for flight in &mut known {
        end(flight, &tasks, Some(0)).await;
    }
    for waiter in &mut aboard {
        look(&known, waiter).await;
    }
    assert_eq!((flights.count(), tasks.len()), (0, 0));
    // Whatever a flight made is freed with the last who was aboard: the set holds on to nothing.
    assert_eq!(Arc::strong_count(&flights.0), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn flights_do_what_the_model_says_in_any_order_of_coming_going_and_ending(steps in proptest::collection::vec(step(), 1..50)) {
        Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(play(steps));
    }
}
