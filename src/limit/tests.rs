//! All in paused time: the clock moves on only when every task waits.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};

use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::{advance, sleep, sleep_until};

use super::*;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const GOOD: Observed = Observed { ok: true, took: Duration::from_millis(20) };
const BAD: Observed = Observed { ok: false, took: Duration::from_millis(20) };

fn consumer(number: usize) -> ConsumerId {
    ConsumerId::new(&format!("c{number}")).expect("a slug")
}

fn quota(per_second: u32, burst: u32) -> Quota {
    Quota { per_second, burst }
}

fn instance(calls_max: u32) -> Instance {
    let options = InstanceOptions { calls_max, ..InstanceOptions::default() };
    Instance::new(&ProviderId::new("taxes").expect("a slug"), options)
}

fn service(name: &str) -> ServiceId {
    ServiceId::new(&format!("taxes/{name}")).expect("a service")
}

fn gate(calls_max: u32, per_second: u32, burst: u32) -> Gate {
    instance(calls_max).gate(&service("person-income"), quota(per_second, burst))
}

fn in_time(time: Duration) -> Instant {
    Instant::now() + time
}

/// Lets every other task run until it waits.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// In no stretch of time more than `burst + rate × t`.
fn assert_within(quota: Quota, went: &[Instant]) {
    for (first, from) in went.iter().enumerate() {
        for (count, until) in (1_u32..).zip(&went[first..]) {
            let most = f64::from(quota.burst) + f64::from(quota.per_second) * (*until - *from).as_secs_f64();
            assert!(f64::from(count) <= most + 1e-6, "{count} calls in {:?}, at most {most}", *until - *from);
        }
    }
}

/// Max–min fair shares of a capacity: who wants less than an equal share gets what it wants, the others
/// divide the rest alike.
fn fair_shares(capacity: f64, wanted: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut shares = vec![0.0; wanted.len()];
    let (mut left, mut those) = (capacity, f64::from(u32::try_from(wanted.len()).expect("few")));
    for index in order {
        shares[index] = wanted[index].min(left / those);
        left -= shares[index];
        those -= 1.0;
    }
    shares
}

#[tokio::test(start_paused = true)]
async fn seventeen_consumers_share_a_quota_exactly_and_fairly() {
    let agreed = quota(50, 100);
    let gate = gate(64, agreed.per_second, agreed.burst);
    // From one call in four seconds to eighty a second: more than five times what there is.
    let wanted: Vec<f64> = (0_u32..17).map(|number| 0.25 * 1.434_f64.powf(f64::from(number))).collect();
    let (start, length) = (Instant::now(), 60.0);
    let patience = 10 * SECOND;
    let mut asking = JoinSet::new();
    for (number, rate) in wanted.iter().copied().enumerate() {
        let gate = gate.clone();
        asking.spawn(async move {
            let mut calls = JoinSet::new();
            let gap = Duration::from_secs_f64(1.0 / rate);
            let mut next = start + gap.mul_f64(0.5);
            while next < start + Duration::from_secs_f64(length) {
                sleep_until(next).await;
                next += gap;
                let gate = gate.clone();
                calls.spawn(async move {
                    let asked = Instant::now();
                    let admitted = gate.admit(&consumer(number), asked + patience).await;
                    let waited = asked.elapsed();
                    assert!(waited <= patience + MILLI, "waited {waited:?}");
                    let mut permit = admitted.ok()?;
                    let went = Instant::now();
                    sleep(200 * MILLI).await;
                    permit.report(GOOD);
                    Some(went)
                });
            }
            (number, calls.join_all().await.into_iter().flatten().collect::<Vec<_>>())
        });
    }
    let went: BTreeMap<usize, Vec<Instant>> = asking.join_all().await.into_iter().collect();

    let mut all: Vec<Instant> = went.values().flatten().copied().collect();
    all.sort();
    assert_within(agreed, &all);
    let until = |seconds: f64| start + Duration::from_secs_f64(seconds);
    let count = |times: &[Instant], from: f64, to: f64| {
        let within = times.iter().filter(|went| (until(from)..until(to)).contains(went)).count();
        f64::from(u32::try_from(within).expect("thousands"))
    };
    // The burst goes first, then the rate, to the last token: exact within 1 %.
    let there_were = f64::from(agreed.burst) + f64::from(agreed.per_second) * length;
    let used = count(&all, 0.0, length);
    assert!(used <= there_were && used >= 0.99 * there_were, "{used} of {there_were}");

    // When the first burst is spent, everybody has its share, and those who want little have all they want.
    let shares = fair_shares(f64::from(agreed.per_second), &wanted);
    for (number, times) in &went {
        let (got, share) = (count(times, 10.0, length), shares[*number] * 50.0);
        assert!(got >= 0.99 * share - 1.5, "consumer {number} wanted {} a second and got {got} of {share}", wanted[*number]);
    }
}

/// Waiting calls as a list: who, and how long it waits at most. All of one moment.
fn crowd() -> impl Strategy<Value = Vec<(usize, u32)>> {
    prop::collection::vec((0_usize..6, 0_u32..4_000), 1..120)
}

/// Who would be served, and when, if nobody were refused on arrival: tokens at `times`, turns round robin,
/// those whose time is up passed over.
fn served_without_refusals(crowd: &[(usize, u32)], period: Duration, burst: usize) -> HashMap<usize, Duration> {
    let mut waiting: Vec<(usize, usize, Duration)> = Vec::new();
    let mut served = HashMap::new();
    for (index, (who, patience)) in crowd.iter().enumerate() {
        // The burst goes to those who come first.
        if index < burst {
            served.insert(index, Duration::ZERO);
        } else {
            waiting.push((index, *who, Duration::from_millis(u64::from(*patience))));
        }
    }
    let mut ring: Vec<usize> = Vec::new();
    for (_, who, _) in &waiting {
        if !ring.contains(who) {
            ring.push(*who);
        }
    }
    let mut now = period;
    while !waiting.is_empty() {
        waiting.retain(|(.., patience)| *patience >= now);
        ring.retain(|who| waiting.iter().any(|(_, other, _)| other == who));
        let Some(who) = (!ring.is_empty()).then(|| ring.remove(0)) else { break };
        let position = waiting.iter().position(|(_, other, _)| *other == who).expect("it is in the ring");
        served.insert(waiting.remove(position).0, now);
        ring.push(who);
        now += period;
    }
    served
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The last of a crowd is right to be refused, or to wait: if its turn comes before its deadline it goes at
    /// its turn, to the millisecond; else it is told at once when its turn would have come.
    #[test]
    fn the_last_to_come_is_told_the_truth(crowd in crowd(), burst in 1_u32..10, who in 0_usize..8, patience in 0_u64..4_000) {
        let patience = Duration::from_millis(patience);
        let (stayed, took, answer) = paused().block_on(async {
            let gate = gate(1_000, 50, burst);
            let stayed = Arc::new(Mutex::new(vec![true; crowd.len()]));
            let mut calls = JoinSet::new();
            for (index, (who, patience)) in crowd.iter().copied().enumerate() {
                let (gate, stayed) = (gate.clone(), Arc::clone(&stayed));
                calls.spawn(async move {
                    let asked = Instant::now();
                    let refused = gate.admit(&consumer(who), asked + patience * MILLI).await.is_err();
                    assert!(asked.elapsed() <= patience * MILLI);
                    stayed.lock().expect("no panic")[index] &= !refused || asked.elapsed() > Duration::ZERO;
                });
            }
            settle().await;
            let stayed = stayed.lock().expect("no panic").clone();
            let asked = Instant::now();
            let answer = gate.admit(&consumer(who), asked + patience).await.map(drop);
            let took = asked.elapsed();
            calls.join_all().await;
            (stayed, took, answer)
        });
        let ahead = crowd.iter().zip(stayed).filter(|(_, stayed)| *stayed).map(|(waiter, _)| *waiter);
        let crowd: Vec<_> = ahead.chain([(who, u32::MAX)]).collect();
        let served = served_without_refusals(&crowd, 20 * MILLI, usize::try_from(burst).expect("few"));
        let turn = served[&(crowd.len() - 1)];
        if turn <= patience {
            prop_assert_eq!((answer, took), (Ok(()), turn));
        } else {
            prop_assert_eq!((answer, took), (Err(Refused::QuotaFull { retry_after: turn }), Duration::ZERO));
        }
    }

    /// Nobody can know who comes later and delays those ahead so much that they give up; even so, hardly
    /// anybody is refused who would have been served in good time, and no turn is lost by refusals.
    #[test]
    fn refusals_lose_no_turns(crowd in crowd(), burst in 1_u32..10) {
        let served = served_without_refusals(&crowd, 20 * MILLI, usize::try_from(burst).expect("few"));
        let outcome = paused().block_on(async {
            let gate = gate(1_000, 50, burst);
            let mut calls = JoinSet::new();
            for (index, (who, patience)) in crowd.iter().copied().enumerate() {
                let gate = gate.clone();
                calls.spawn(async move { (index, gate.admit(&consumer(who), in_time(patience * MILLI)).await.is_ok()) });
            }
            calls.join_all().await
        });
        let went = outcome.iter().filter(|(_, went)| *went).count();
        prop_assert!(went * 20 + 20 >= served.len() * 19, "{went} went of {}", served.len());
        let in_good_time = |index: &usize| {
            served.get(index).is_some_and(|turn| turn.mul_f64(1.05) <= crowd[*index].1 * MILLI)
        };
        let wronged = outcome.iter().filter(|(index, went)| !went && in_good_time(index)).count();
        prop_assert!(wronged <= 1 + crowd.len() / 20, "{wronged} of {} were refused in vain", crowd.len());
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_have_its_turn_is_told_at_once_when_it_would_come() {
    let gate = gate(100, 10, 1);
    let mut waiting = JoinSet::new();
    for _ in 0..5 {
        let gate = gate.clone();
        waiting.spawn(async move { gate.admit(&consumer(0), in_time(SECOND)).await });
    }
    settle().await;
    // One went, four wait: turns of this consumer are at 100, 200, 300, 400 and then 500 ms.
    let refused = gate.admit(&consumer(0), in_time(450 * MILLI)).await.expect_err("too late");
    assert_eq!(refused, Refused::QuotaFull { retry_after: 500 * MILLI });
    assert_eq!((refused.code(), refused.retry_after_seconds()), ("quota-full", 1));
    // Another consumer has the second turn.
    let asked = Instant::now();
    assert!(gate.admit(&consumer(1), in_time(250 * MILLI)).await.is_ok());
    assert_eq!(asked.elapsed(), 200 * MILLI);
    assert!(waiting.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn those_who_give_up_cost_nobody_a_token() {
    let gate = gate(100, 10, 1);
    let start = Instant::now();
    let _first = gate.admit(&consumer(0), in_time(SECOND)).await.expect("a token is there");
    let mut calls = Vec::new();
    for number in 0..10 {
        let gate = gate.clone();
        calls.push(tokio::spawn(async move {
            let permit = gate.admit(&consumer(number % 3), in_time(10 * SECOND)).await;
            (permit.is_ok(), start.elapsed())
        }));
    }
    settle().await;
    for call in calls.iter().step_by(2) {
        call.abort();
    }
    let mut turns = Vec::new();
    for call in calls {
        turns.extend(call.await.ok());
    }
    turns.sort();
    let expected: Vec<_> = (1..=5).map(|number| (true, number * 100 * MILLI)).collect();
    assert_eq!(turns, expected);
    assert_eq!(gate.instance().view().queued, 0);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_came_to_one_who_has_just_gone_goes_to_the_next() {
    let gate = gate(100, 10, 1);
    let _first = gate.admit(&consumer(0), in_time(SECOND)).await.expect("a token is there");
    let far = in_time(10 * SECOND);
    let start = Instant::now();
    let leaver = consumer(0);
    let next = {
        // Polled once, then never again: its turn comes, and nobody takes it up.
        let mut unpolled = pin!(gate.admit(&leaver, far));
        assert!(unpolled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let other = gate.clone();
        let next = tokio::spawn(async move { other.admit(&consumer(1), far).await.map(|_| start.elapsed()) });
        settle().await;
        advance(100 * MILLI).await;
        settle().await;
        assert_eq!((gate.instance().view().calls_in_flight, gate.instance().view().queued), (2, 1));
        next
    };
    assert_eq!(next.await.expect("no panic"), Ok(100 * MILLI));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_polled_holds_up_nobody() {
    let gate = gate(100, 10, 1);
    let _first = gate.admit(&consumer(0), in_time(SECOND)).await.expect("a token is there");
    let sleeper = consumer(0);
    let mut unpolled = pin!(gate.admit(&sleeper, in_time(10 * SECOND)));
    assert!(unpolled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let start = Instant::now();
    for turn in 2..5 {
        let permit = gate.admit(&consumer(1), in_time(10 * SECOND)).await;
        assert!(permit.is_ok());
        assert_eq!(start.elapsed(), turn * 100 * MILLI);
    }
    assert!(unpolled.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_whose_time_is_up_is_passed_over() {
    let gate = gate(1, 10, 10);
    let held = gate.admit(&consumer(0), in_time(SECOND)).await.expect("a slot");
    let sleeper = consumer(0);
    let mut late = pin!(gate.admit(&sleeper, in_time(100 * MILLI)));
    assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let other = gate.clone();
    let next = tokio::spawn(async move { other.admit(&consumer(1), in_time(10 * SECOND)).await });
    settle().await;
    advance(200 * MILLI).await;
    drop(held);
    assert_eq!(gate.instance().view().queued, 0);
    assert!(next.await.expect("no panic").is_ok());
    assert!(late.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_one_whose_turn_has_just_come() {
    let gate = gate(100, 10, 1);
    let _first = gate.admit(&consumer(0), in_time(SECOND)).await.expect("a token is there");
    let (now, far) = (Instant::now(), in_time(10 * SECOND));
    let waits = |who: usize, now: Instant| matches!(gate.arrive(&consumer(who), far, now), Ok(Arrival::Waits(_)));
    let waiting = gate.arrive(&consumer(0), far, now);
    assert!(waits(1, now + 100 * MILLI), "there is a token, but it is another's");
    drop(waiting);
    assert!(!waits(1, now + 100 * MILLI));
}

#[tokio::test(start_paused = true)]
async fn a_turn_at_the_very_deadline_counts() {
    let gate = gate(100, 10, 1);
    let _first = gate.admit(&consumer(0), in_time(SECOND)).await.expect("a token is there");
    let other = gate.clone();
    let waiting = tokio::spawn(async move { other.admit(&consumer(0), in_time(100 * MILLI)).await });
    settle().await;
    advance(10 * MILLI).await;
    // Whichever timer fires first: this one makes the ticker look again, and set its timer after the other.
    let other = gate.clone();
    let second = tokio::spawn(async move { other.admit(&consumer(1), in_time(190 * MILLI)).await });
    settle().await;
    assert!(waiting.await.expect("no panic").is_ok());
    assert!(second.await.expect("no panic").is_ok());
}

#[tokio::test(start_paused = true)]
async fn slots_are_never_exceeded_and_services_take_turns_for_them() {
    let instance = instance(8);
    let gates = ["person-income", "taxpayer"].map(|name| instance.gate(&service(name), quota(1_000, 1_000)));
    let under_way = Arc::new(AtomicU32::new(0));
    let mut calls = JoinSet::new();
    for number in 0..400_usize {
        // The first service asks for everything before the second one comes.
        let which = usize::from(number >= 200);
        let (gate, under_way) = (gates[which].clone(), Arc::clone(&under_way));
        calls.spawn(async move {
            let mut permit = gate.admit(&consumer(number % 5), in_time(60 * SECOND)).await.expect("a slot in time");
            assert!(under_way.fetch_add(1, Ordering::Relaxed) < 8);
            sleep(100 * MILLI).await;
            under_way.fetch_sub(1, Ordering::Relaxed);
            if number % 3 > 0 {
                permit.report(GOOD);
            }
            (which, Instant::now())
        });
    }
    let start = Instant::now();
    settle().await;
    assert_eq!(instance.view().calls_in_flight, 8);
    let done = calls.join_all().await;
    assert_eq!(start.elapsed(), 5 * SECOND, "all slots were used all the time");
    let second = done.iter().filter(|(which, at)| *which == 1 && *at - start <= 2 * SECOND).count();
    assert!(second >= 70, "the second service had {second} of 160 slots");
    assert_eq!(instance.view().calls_in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_slots_does_not_go_in_one_heap() {
    let agreed = quota(20, 10);
    let gate = gate(30, agreed.per_second, agreed.burst);
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for number in 0..200 {
        let gate = gate.clone();
        calls.spawn(async move {
            let _permit = gate.admit(&consumer(number % 4), in_time(60 * SECOND)).await.expect("a turn in time");
            let went = Instant::now();
            // The provider hangs until half a minute is over, then answers everything at once.
            sleep_until((start + 30 * SECOND).max(went + 10 * MILLI)).await;
            went
        });
    }
    let mut went = calls.join_all().await;
    went.sort();
    assert_within(agreed, &went);
    assert_eq!(went[30] - start, 30 * SECOND);
    assert_eq!(went[199] - went[30], 8 * SECOND, "ten at once, then twenty a second");
}

#[tokio::test(start_paused = true)]
async fn a_hung_provider_fills_its_own_bulkhead_and_nothing_else() {
    let hung = gate(4, 100, 100);
    let well = gate(4, 100, 100);
    let mut held = Vec::new();
    for number in 0..4 {
        held.push(hung.admit(&consumer(number), in_time(SECOND)).await.expect("a slot"));
    }
    let asked = Instant::now();
    let late = hung.clone();
    let waiting = tokio::spawn(async move { late.admit(&consumer(5), asked + SECOND).await.map(drop) });
    settle().await;
    for _ in 0..50 {
        let mut permit = well.admit(&consumer(5), in_time(SECOND)).await.expect("a slot");
        permit.report(GOOD);
    }
    assert_eq!(asked.elapsed(), Duration::ZERO);
    let expected = InstanceView { breaker: "closed", retry_after: None, calls_in_flight: 4, calls_max: 4, queued: 1 };
    assert_eq!(hung.instance().view(), expected);
    let refused = waiting.await.expect("no panic").expect_err("no slot became free");
    assert_eq!(refused, Refused::BulkheadFull { retry_after: BreakerOptions::default().slow_after });
    assert_eq!(asked.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_told_when_the_breaker_opens_and_it_recovers() {
    let gate = gate(10, 100, 100);
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(gate.admit(&consumer(0), in_time(SECOND)).await.expect("a slot"));
    }
    let other = gate.clone();
    let waiting = tokio::spawn(async move { other.admit(&consumer(1), in_time(60 * SECOND)).await.map(drop) });
    settle().await;
    for permit in &mut held {
        permit.report(BAD);
    }
    let suspended = Refused::Suspended { retry_after: 5 * SECOND };
    assert_eq!(waiting.await.expect("no panic"), Err(suspended));
    assert_eq!(gate.admit(&consumer(2), in_time(60 * SECOND)).await.map(drop), Err(suspended));
    assert!(!held[0].may_repeat());
    drop(held);
    let view = gate.instance().view();
    assert_eq!((view.breaker, view.retry_after, view.calls_in_flight), ("open", Some(5), 0));

    advance(5 * SECOND).await;
    assert_eq!(gate.instance().state(), State::HalfOpen);
    // Two probes at a time; one is dropped without a word and leaves its place to another.
    let first = gate.admit(&consumer(0), in_time(SECOND)).await.expect("a probe");
    let mut second = gate.admit(&consumer(0), in_time(SECOND)).await.expect("a probe");
    assert!(gate.admit(&consumer(0), in_time(SECOND)).await.is_err());
    drop(first);
    let mut third = gate.admit(&consumer(0), in_time(SECOND)).await.expect("a probe");
    second.report(GOOD);
    third.report(GOOD);
    assert_eq!(gate.instance().state(), State::HalfOpen);
    gate.admit(&consumer(0), in_time(SECOND)).await.expect("a probe").report(GOOD);
    assert_eq!(gate.instance().state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_places_and_brings_no_tokens() {
    let gate = gate(100, 1, 1);
    let start = Instant::now();
    let _first = gate.admit(&consumer(0), in_time(SECOND)).await.expect("a token is there");
    let mut calls = JoinSet::new();
    for number in 0..20 {
        let gate = gate.clone();
        calls.spawn(async move {
            let went = gate.admit(&consumer(0), in_time(60 * SECOND)).await.is_ok();
            (start.elapsed(), number, went)
        });
    }
    settle().await;
    let again = gate.instance().gate(&service("person-income"), quota(100, 50));
    assert_eq!(again.instance().view().queued, 20);
    let mut turns = calls.join_all().await;
    turns.sort();
    let expected: Vec<_> = (0..20).map(|number| ((number + 1) * 10 * MILLI, number, true)).collect();
    assert_eq!(turns, expected);
}

#[tokio::test(start_paused = true)]
async fn queues_are_bounded() {
    let options = InstanceOptions { queued_max: 5, queued_per_consumer_max: 3, ..InstanceOptions::default() };
    let instance = Instance::new(&ProviderId::new("taxes").expect("a slug"), options);
    let gate = instance.gate(&service("person-income"), quota(1, 1));
    let _first = gate.admit(&consumer(9), in_time(SECOND)).await.expect("a token is there");
    let mut calls = JoinSet::new();
    for number in [0, 0, 0, 0, 1, 1, 2] {
        let gate = gate.clone();
        calls.spawn(async move { gate.admit(&consumer(number), in_time(60 * SECOND)).await.is_ok() });
    }
    settle().await;
    assert_eq!(instance.view().queued, 5);
    let outcome = calls.join_all().await;
    assert_eq!(outcome.iter().filter(|went| **went).count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_retry_wants_budget_token_and_an_empty_queue() {
    let options = InstanceOptions { retry: RetryOptions { percent: 50, reserve: 1 }, ..InstanceOptions::default() };
    let instance = Instance::new(&ProviderId::new("taxes").expect("a slug"), options);
    let gate = instance.gate(&service("person-income"), quota(1, 4));
    let mut permit = gate.admit(&consumer(0), in_time(SECOND)).await.expect("a token");
    permit.report(BAD);
    assert!(permit.may_repeat());
    permit.report(BAD);
    assert!(!permit.may_repeat(), "the budget is used up");
    let _two = [gate.admit(&consumer(0), in_time(SECOND)).await, gate.admit(&consumer(0), in_time(SECOND)).await];
    assert!(!permit.may_repeat(), "there is budget for one, but no token");
    let other = gate.clone();
    let waiting = tokio::spawn(async move { other.admit(&consumer(1), in_time(5 * SECOND)).await });
    settle().await;
    assert!(!permit.may_repeat(), "somebody waits");
    assert!(waiting.await.expect("no panic").is_ok());
    advance(SECOND).await;
    assert!(permit.may_repeat());
    assert_eq!(instance.view().calls_in_flight, 3, "a retry goes under the slot there is");
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_on_when_nobody_waits() {
    let gate = gate(1, 1, 1);
    let held = gate.admit(&consumer(0), in_time(SECOND)).await.expect("a slot");
    let other = gate.clone();
    let waiting = tokio::spawn(async move { other.admit(&consumer(1), in_time(3_600 * SECOND)).await });
    settle().await;
    assert!(gate.instance().0.lock().ticking);
    waiting.abort();
    assert!(waiting.await.is_err());
    settle().await;
    assert!(!gate.instance().0.lock().ticking);
    drop(held);
    assert_eq!(Arc::strong_count(&gate.instance().0), 1);
}

#[tokio::test]
async fn a_deadline_in_the_past_goes_if_it_can_and_never_waits() {
    let gate = gate(10, 1, 1);
    let past = Instant::now();
    assert!(gate.admit(&consumer(0), past).await.is_ok());
    assert!(gate.admit(&consumer(0), past).await.is_err());
    assert_eq!(gate.instance().view().queued, 0);
}

/// Counts calls under way; counted out before the permit, which was there first, is dropped.
struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn new(under_way: &'a AtomicU32, most: u32) -> Self {
        assert!(under_way.fetch_add(1, Ordering::SeqCst) < most);
        Self(under_way)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_that_ask_give_up_and_release_at_once_leave_nothing_behind() {
    let instance = instance(16);
    let gates = ["person-income", "taxpayer"].map(|name| instance.gate(&service(name), quota(100_000, 100)));
    let under_way = Arc::new(AtomicU32::new(0));
    let mut calls = Vec::new();
    for number in 0..4_000_usize {
        let (gate, under_way) = (gates[number % 2].clone(), Arc::clone(&under_way));
        calls.push(tokio::spawn(async move {
            let mut permit = gate.admit(&consumer(number % 7), in_time(60 * SECOND)).await.ok()?;
            let _counted = Counted::new(&under_way, 16);
            tokio::task::yield_now().await;
            if number % 3 == 0 {
                permit.report(GOOD);
            }
            Some(())
        }));
        if number % 5 == 4 {
            // At any stage: not yet polled, waiting, with a turn that has just come, or under way.
            calls[number - 2].abort();
        }
    }
    let mut went = 0;
    for call in calls {
        match call.await {
            Ok(answer) => went += u32::from(answer.is_some()),
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        }
    }
    assert!(went > 3_000, "{went} went");
    let view = instance.view();
    assert_eq!((view.calls_in_flight, view.queued), (0, 0));
}

#[derive(Debug, Clone)]
enum Step {
    Ask { who: usize, which: usize, patience: u64 },
    Wait(u64),
    Report { which: usize, ok: bool },
    Release { which: usize },
    Abort { which: usize },
    Requota { which: usize, per_second: u32, burst: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0_usize..4, 0_usize..2, 0_u64..8_000).prop_map(|(who, which, patience)| Step::Ask { who, which, patience }),
        3 => (0_u64..1_500).prop_map(Step::Wait),
        4 => (0_usize..6, prop::bool::weighted(0.6)).prop_map(|(which, ok)| Step::Report { which, ok }),
        4 => (0_usize..6).prop_map(|which| Step::Release { which }),
        2 => (0_usize..6).prop_map(|which| Step::Abort { which }),
        1 => (0_usize..2, 1_u32..20, 1_u32..10).prop_map(|(which, per_second, burst)| Step::Requota { which, per_second, burst }),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever comes in whatever order: slots and probes stay bounded, whoever waits gets an answer by its
    /// deadline, and when all is over nothing is held and nobody waits.
    #[test]
    fn nothing_leaks(steps in steps()) {
        paused().block_on(async {
            let breaker = BreakerOptions { calls_min: 3, ..BreakerOptions::default() };
            let options = InstanceOptions { calls_max: 3, queued_max: 12, queued_per_consumer_max: 6, breaker, ..InstanceOptions::default() };
            let instance = Instance::new(&ProviderId::new("taxes").expect("a slug"), options);
            let gates = ["person-income", "taxpayer"].map(|name| instance.gate(&service(name), quota(5, 3)));
            let (give, mut given) = tokio::sync::mpsc::unbounded_channel();
            let mut asking = Vec::new();
            let mut held: Vec<Permit> = Vec::new();
            for step in steps {
                match step {
                    Step::Ask { who, which, patience } => {
                        let (gate, give) = (gates[which].clone(), give.clone());
                        asking.push(tokio::spawn(async move {
                            let deadline = in_time(Duration::from_millis(patience));
                            let answer = gate.admit(&consumer(who), deadline).await;
                            assert!(Instant::now() <= deadline + MILLI);
                            if let Ok(permit) = answer {
                                give.send(permit).expect("the test listens");
                            }
                        }));
                    }
                    Step::Wait(millis) => sleep(Duration::from_millis(millis)).await,
                    Step::Report { which, ok } if which < held.len() => held[which].report(Observed { ok, took: MILLI }),
                    Step::Release { which } if which < held.len() => drop(held.swap_remove(which)),
                    Step::Abort { which } if which < asking.len() => asking.swap_remove(which).abort(),
                    Step::Requota { which, per_second, burst } => gates[which].set_quota(quota(per_second, burst)),
                    Step::Report { .. } | Step::Release { .. } | Step::Abort { .. } => {}
                }
                settle().await;
                while let Ok(permit) = given.try_recv() {
                    held.push(permit);
                }
                let view = instance.view();
                assert!(view.calls_in_flight <= 3);
                assert_eq!(usize::try_from(view.calls_in_flight).expect("few"), held.len());
                assert!(view.queued <= 24);
            }
            held.clear();
            drop(give);
            // Every asker ends, by its deadline at the latest, and closes its end.
            while given.recv().await.is_some() {}
            for call in asking {
                call.await.expect("no panic");
            }
            settle().await;
            let view = instance.view();
            assert_eq!((view.calls_in_flight, view.queued), (0, 0));
            assert!(!instance.0.lock().ticking);
            sleep(120 * SECOND).await;
            let _probe = gates[0].admit(&consumer(0), in_time(SECOND)).await.expect("no place of a probe is lost");
            let _another = gates[0].admit(&consumer(0), in_time(SECOND)).await.expect("nor the other");
        });
    }
}
