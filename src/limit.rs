//! How a call to a provider instance is admitted, on one page: breaker → fair queue → bulkhead slot and
//! quota token, both or neither → go. What comes back is told to the breaker.
//!
//! One weak source hurts only itself: everything here belongs to one [`Instance`], and a call that may
//! not go waits or is refused *before* anything is journalled as about to be sent.
//!
//! - **Breaker** (`limit/breaker.rs`): an instance that fails or drags is given a rest; those who wait are told
//!   at once.
//! - **Fair queue** (`limit/fair.rs`): one queue per consumer, served round robin. One waits only while its turn
//!   can come before its deadline; else it is refused on arrival, with the time its turn would come.
//! - **Bulkhead**: calls under way at once. A hung provider fills its own slots, nothing else.
//! - **Quota** (`limit/quota.rs`): the rate agreed for the service. A token is taken in the same step in which the
//!   call goes, so that calls that waited for a slot do not go in one heap with tokens saved up.
//! - **Retry** (`limit/retry.rs`): within a budget, with a token each, never before those who wait.
//!
//! What a consumer may ask is bounded apart from that: by its quota (`limit/consumer.rs`), before anything is looked
//! at, and by the volume of the grant (`limit/volume.rs`), once the policy has said which one it is.
//!
//! All of an instance stands under one short mutex, and every decision is a pure function of it and a
//! moment. Moments are [`Instant`]s: monotonic, so setting the wall clock changes nothing; while they stand
//! still (a suspended machine) neither tokens nor deadlines move.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};
use model::contract::Quota;
use model::{ConsumerId, InstanceId, ProviderId, ServiceId};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

pub mod breaker;
pub mod consumer;
mod fair;
mod quota;
pub mod retry;
pub mod volume;

pub use breaker::{BreakerOptions, State};
pub use consumer::{ConsumerQuotas, Exceeded, Standing};
pub use retry::{Attempt, RetryOptions, jitter, next_attempt};
pub use volume::{Spent, Volumes};

use breaker::{Breaker, Ticket};
use consumer::whole_seconds;
use fair::{Place, Queues};
use quota::Bucket;
use retry::Budget;

/// The limits of one provider instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceOptions {
    /// Calls under way at once, over all its services; default 64, at least 1.
    pub calls_max: u32,
    /// Waiting calls of one service; default 2,048. Beyond, a call is refused at once.
    pub queued_max: usize,
    /// Waiting calls of one consumer for one service; default 512. Beyond, its next one is refused at once.
    pub queued_per_consumer_max: usize,
    /// When it is given a rest.
    pub breaker: BreakerOptions,
    /// How often it is asked again.
    pub retry: RetryOptions,
}

impl Default for InstanceOptions {
    fn default() -> Self {
        Self {
            calls_max: 64,
            queued_max: 2_048,
            queued_per_consumer_max: 512,
            breaker: BreakerOptions::default(),
            retry: RetryOptions::default(),
        }
    }
}

/// Why a call does not go. The provider's side is at its limits; nothing was sent, and the same question may
/// come again after `retry_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The breaker is open: the provider failed or dragged too often.
    #[error("the provider is suspended after too many failed or slow calls")]
    Suspended {
        /// Time until it is tried again.
        retry_after: Duration,
    },
    /// The agreed rate is used up beyond the deadline, or too many wait already.
    #[error("the rate agreed with the provider is used up beyond the deadline")]
    QuotaFull {
        /// Time until a question asked now would have its turn.
        retry_after: Duration,
    },
    /// Too many calls are under way, beyond the deadline, or too many wait already.
    #[error("too many calls to the provider are under way")]
    BulkheadFull {
        /// A guess: the time after which a call of this provider counts as slow.
        retry_after: Duration,
    },
}

impl Refused {
    /// Time after which the same question may come again.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Suspended { retry_after } | Self::QuotaFull { retry_after } | Self::BulkheadFull { retry_after } => *retry_after,
        }
    }

    /// The same for a `Retry-After` field: whole seconds, at least 1.
    #[must_use]
    pub fn retry_after_seconds(&self) -> u64 {
        whole_seconds(self.retry_after())
    }

    /// Stable word for journal and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Suspended { .. } => "suspended",
            Self::QuotaFull { .. } => "quota-full",
            Self::BulkheadFull { .. } => "bulkhead-full",
        }
    }
}

/// How a call went, for the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Whether the provider did its work. "No record" and a well-formed refusal are good answers; no
    /// connection, a time-out, an error of the server or an unreadable answer is not.
    pub ok: bool,
    /// Time from sending until the answer was there or given up.
    pub took: Duration,
}

/// What the catalogue shows of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceView {
    /// `closed`, `open` or `half-open`.
    pub breaker: &'static str,
    /// Whole seconds until a call would be let through again; `None` when it would be now.
    pub retry_after: Option<u64>,
    /// Calls under way.
    pub calls_in_flight: u32,
    /// Most calls under way at once.
    pub calls_max: u32,
    /// Calls that wait for their turn, over all services.
    pub queued: usize,
}

/// One provider instance and what is going on with it. Lives as long as the gateway: a reload of contracts
/// replaces quotas, never instances. Clones are the same instance.
#[derive(Clone)]
pub struct Instance(Arc<Shared>);

/// The way to one service of an instance. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    instance: Instance,
    desk: usize,
}

/// Leave to make one call, with its retries. Holds a slot until it is dropped. Dropped without a report it
/// says nothing about the provider (cancelled).
#[derive(Debug)]
#[must_use = "the slot is free again as soon as the permit is dropped"]
pub struct Permit {
    instance: Instance,
    desk: usize,
    /// `None` when the attempt is reported already.
    ticket: Option<Ticket>,
}

struct Shared {
    options: InstanceOptions,
    meters: Meters,
    floor: Mutex<Floor>,
    /// Wakes the ticker when the moment it waits for may have changed.
    alarm: Notify,
}

/// Everything that changes, under the one mutex.
struct Floor {
    breaker: Breaker,
    budget: Budget,
    in_flight: u32,
    /// One per service; never fewer.
    desks: Vec<Desk>,
    /// The desk whose turn it is to get the next free slot.
    turn: usize,
    /// Whether the ticker runs: exactly while somebody waits.
    ticking: bool,
    /// What the metrics were last told: calls under way, and where the breaker stands.
    shown: (u32, State),
}

/// A service's rate and those who wait for it.
struct Desk {
    service: ServiceId,
    bucket: Bucket,
    queues: Queues<oneshot::Sender<Result<Ticket, Refused>>>,
    /// When the next token comes, as far as known; `None` when there may be one now.
    next_token: Option<Instant>,
}

/// Why the next call of a desk cannot go yet.
enum Hold {
    Breaker,
    Slot,
    Quota,
}

impl Gate {
    /// Waits for the call's turn and gives leave to make it. `deadline` is the latest moment at which the
    /// call may still start: take off what the call itself needs.
    ///
    /// Dropping the future gives up its place in the queue and costs nobody a token. Without a queue it
    /// neither waits nor spawns; with one it must run on a tokio runtime with time.
    ///
    /// # Errors
    /// When the provider is suspended, or the turn cannot come, or did not come, before the deadline.
    pub async fn admit(&self, consumer: &ConsumerId, deadline: Instant) -> Result<Permit, Refused> {
        let admitted = match self.arrive(consumer, deadline, Instant::now()) {
            Ok(Arrival::Goes(permit)) => Ok(permit),
            Ok(Arrival::Waits(waiting)) => waiting.turn(deadline).await,
            Err(refused) => Err(refused),
        };
        if let Err(refused) = &admitted {
            self.instance.0.meters.refused(refused);
        }
        admitted
    }

    /// The page: breaker, queue, slot and token.
    fn arrive(&self, consumer: &ConsumerId, deadline: Instant, now: Instant) -> Result<Arrival, Refused> {
        let shared = &self.instance.0;
        let mut floor = shared.lock();
        floor.breaker.ready(now).map_err(|retry_after| Refused::Suspended { retry_after })?;
        // Whoever waits already goes first, whatever is free at this moment.
        if floor.desks[self.desk].queues.is_empty()
            && let Ok(ticket) = floor.try_go(self.desk, shared.options.calls_max, now)
        {
            shared.show(&mut floor, now);
            return Ok(Arrival::Goes(Permit { instance: self.instance.clone(), desk: self.desk, ticket: Some(ticket) }));
        }
        let desk = &mut floor.desks[self.desk];
        let too_many =
            desk.queues.len() >= shared.options.queued_max || desk.queues.len_of(consumer) >= shared.options.queued_per_consumer_max;
        if too_many || desk.forecast(consumer, now) > deadline || deadline <= now {
            return Err(floor.why_not(self.desk, consumer, &shared.options, now));
        }
        let (tell, told) = oneshot::channel();
        let place = desk.queues.push(consumer, deadline, tell);
        shared.meters.queued.increment(1.0);
        if !std::mem::replace(&mut floor.ticking, true) {
            tokio::spawn(Ticker { instance: self.instance.clone(), ended: false }.run());
        } else {
            shared.alarm.notify_one();
        }
        Ok(Arrival::Waits(Waiting { gate: self.clone(), consumer: consumer.clone(), place, since: now, told: Some(told) }))
    }

    /// Replaces the agreed rate. Those who wait keep their places, and tokens used up stay used up.
    pub fn set_quota(&self, quota: Quota) {
        let shared = &self.instance.0;
        let now = Instant::now();
        shared.agree(&mut shared.lock(), self.desk, quota, now);
    }

    /// The instance it leads to.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.instance
    }
}

impl Permit {
    /// Tells the breaker how the attempt went. A second report of the same attempt is ignored.
    pub fn report(&mut self, observed: Observed) {
        let Some(ticket) = self.ticket.take() else { return };
        let shared = &self.instance.0;
        let now = Instant::now();
        let mut floor = shared.lock();
        floor.breaker.record(ticket, observed.ok, observed.took, now);
        shared.settle(&mut floor, now);
    }

    /// Whether the call may be made once more, under the same slot; counts as made if so. Ask after the
    /// wait that [`next_attempt`] gives, right before sending.
    ///
    /// Wants a retry of the budget and a token of the quota, a breaker that lets calls through, and nobody
    /// waiting: a first attempt of one is worth more than the second of another.
    #[must_use]
    pub fn may_repeat(&mut self) -> bool {
        let shared = &self.instance.0;
        let now = Instant::now();
        let mut floor = shared.lock();
        if let Some(unreported) = self.ticket.take() {
            floor.breaker.cancel(unreported);
            shared.settle(&mut floor, now);
        }
        let may = floor.desks[self.desk].queues.is_empty()
            && floor.breaker.ready(now).is_ok()
            && floor.budget.has_one()
            && floor.desks[self.desk].take(now)
            && floor.budget.take();
        if may {
            self.ticket = floor.breaker.admit(now).ok();
            shared.show(&mut floor, now);
        }
        may
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let shared = &self.instance.0;
        let mut floor = shared.lock();
        if let Some(cancelled) = self.ticket.take() {
            floor.breaker.cancel(cancelled);
        }
        floor.in_flight -= 1;
        shared.settle(&mut floor, Instant::now());
    }
}

impl Instance {
    /// The one instance of a provider that is one body, with nothing going on. Its metrics carry the provider's code.
    #[must_use]
    pub fn new(provider: &ProviderId, options: InstanceOptions) -> Self {
        Self::metered(Meters::new(provider, None), options)
    }

    /// One of a provider's several instances. Its metrics carry its own code, too.
    #[must_use]
    pub fn one_of(provider: &ProviderId, instance: &InstanceId, options: InstanceOptions) -> Self {
        Self::metered(Meters::new(provider, Some(instance)), options)
    }

    fn metered(meters: Meters, options: InstanceOptions) -> Self {
        let floor = Floor {
            breaker: Breaker::new(options.breaker, Instant::now()),
            budget: Budget::new(options.retry),
            in_flight: 0,
            desks: Vec::new(),
            turn: 0,
            ticking: false,
            shown: (0, State::Closed),
        };
        Self(Arc::new(Shared { options, meters, floor: Mutex::new(floor), alarm: Notify::new() }))
    }

    /// The way to a service at its agreed rate: a new one, or the one there was with the rate replaced.
    #[must_use]
    pub fn gate(&self, service: &ServiceId, quota: Quota) -> Gate {
        let now = Instant::now();
        let mut floor = self.0.lock();
        let known = floor.desks.iter().position(|desk| desk.service == *service);
        let desk = known.unwrap_or_else(|| {
            let bucket = Bucket::new(quota, now);
            floor.desks.push(Desk { service: service.clone(), bucket, queues: Queues::default(), next_token: None });
            floor.desks.len() - 1
        });
        self.0.agree(&mut floor, desk, quota, now);
        Gate { instance: self.clone(), desk }
    }

    /// Where the breaker stands now.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.lock().breaker.state(Instant::now())
    }

    /// What the catalogue shows.
    #[must_use]
    pub fn view(&self) -> InstanceView {
        let now = Instant::now();
        let floor = self.0.lock();
        InstanceView {
            breaker: floor.breaker.state(now).as_str(),
            retry_after: floor.breaker.ready(now).err().map(whole_seconds),
            calls_in_flight: floor.in_flight,
            calls_max: self.0.options.calls_max.max(1),
            queued: floor.queued(),
        }
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instance").field(&self.view()).finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Floor> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn agree(&self, floor: &mut Floor, desk: usize, quota: Quota, now: Instant) {
        let Desk { bucket, next_token, .. } = &mut floor.desks[desk];
        if bucket.quota() != quota {
            bucket.replace(quota, now);
            *next_token = None;
            self.settle(floor, now);
        }
    }

    /// After anything that may let others go, or may have opened the breaker.
    fn settle(&self, floor: &mut Floor, now: Instant) {
        if floor.breaker.state(now) == State::Open
            && let Err(retry_after) = floor.breaker.ready(now)
        {
            floor.turn_away(retry_after);
        }
        let next = floor.dispatch(self.options.calls_max, now);
        if floor.ticking && (next.is_some() || floor.queued() == 0) {
            self.alarm.notify_one();
        }
        self.show(floor, now);
    }

    fn show(&self, floor: &mut Floor, now: Instant) {
        let (calls, state) = (floor.in_flight, floor.breaker.state(now));
        let (calls_shown, state_shown) = std::mem::replace(&mut floor.shown, (calls, state));
        if calls != calls_shown {
            self.meters.in_flight.increment(f64::from(calls) - f64::from(calls_shown));
        }
        if state != state_shown {
            self.meters.changed(state);
        }
    }
}

/// Lets calls go when time alone makes it their turn. Runs while anybody waits, as a task of its own: who
/// waits may not be polled for a while, and must not hold up the others.
struct Ticker {
    instance: Instance,
    /// Whether it has signed off; another may run by now.
    ended: bool,
}

/// A look round though nothing was announced.
const IDLE_TICK: Duration = Duration::from_secs(1);

impl Ticker {
    async fn run(mut self) {
        while let Some(next) = self.tick() {
            tokio::select! {
                () = self.instance.0.alarm.notified() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// `None` when nobody waits any more; then the next one who does starts another ticker.
    fn tick(&mut self) -> Option<Instant> {
        let shared = &self.instance.0;
        let now = Instant::now();
        let mut floor = shared.lock();
        let next = floor.dispatch(shared.options.calls_max, now);
        shared.show(&mut floor, now);
        if floor.queued() == 0 {
            floor.ticking = false;
            self.ended = true;
            return None;
        }
        // Where only an event can help, it will be announced.
        Some(next.unwrap_or(now + IDLE_TICK))
    }
}

impl Drop for Ticker {
    /// Also when the runtime ends while it sleeps: another may use the same instance.
    fn drop(&mut self) {
        if !self.ended {
            self.instance.0.lock().ticking = false;
        }
    }
}

impl Floor {
    /// One call goes, if breaker, slot and token are all there; else nothing is taken.
    fn try_go(&mut self, desk: usize, calls_max: u32, now: Instant) -> Result<Ticket, Hold> {
        self.breaker.ready(now).map_err(|_| Hold::Breaker)?;
        if self.in_flight >= calls_max.max(1) {
            return Err(Hold::Slot);
        }
        if !self.desks[desk].take(now) {
            return Err(Hold::Quota);
        }
        let ticket = self.breaker.admit(now).map_err(|_| Hold::Breaker)?;
        self.in_flight += 1;
        self.budget.called();
        Ok(ticket)
    }

    /// Lets all go whose turn it is, desk after desk, so that no service takes all slots; says when to look
    /// again, if time alone can change anything.
    fn dispatch(&mut self, calls_max: u32, now: Instant) -> Option<Instant> {
        let mut idle = 0;
        let mut next = None;
        // A full round in which none could go ends it.
        while idle < self.desks.len() {
            let at = self.turn;
            self.turn = (self.turn + 1) % self.desks.len();
            idle += 1;
            self.desks[at].queues.drop_late_heads(now);
            if self.desks[at].queues.is_empty() {
                continue;
            }
            match self.try_go(at, calls_max, now) {
                Ok(ticket) => {
                    idle = 0;
                    next = None;
                    self.hand_over(at, ticket);
                }
                Err(Hold::Quota) => next = earlier(next, self.desks[at].next_token),
                // A slot or a place of a probe becomes free by an event, which dispatches again.
                Err(Hold::Slot | Hold::Breaker) => {}
            }
        }
        next
    }

    /// The next one of a desk gets a turn that is paid for; if nobody waits, its slot is free again.
    fn hand_over(&mut self, desk: usize, mut ticket: Ticket) {
        while let Some(tell) = self.desks[desk].queues.pop() {
            // Nobody listens only after taking itself out of the queue, so this is the first round.
            match tell.send(Ok(ticket)) {
                Ok(()) => return,
                Err(Ok(unused)) => ticket = unused,
                Err(Err(_)) => return,
            }
        }
        self.breaker.cancel(ticket);
        self.in_flight -= 1;
    }

    /// The breaker is open: whoever waits may look elsewhere.
    fn turn_away(&mut self, retry_after: Duration) {
        for desk in &mut self.desks {
            for tell in desk.queues.drain() {
                // One that no longer listens needs no telling.
                drop(tell.send(Err(Refused::Suspended { retry_after })));
            }
        }
    }

    /// What stands in the way of one more call of this consumer.
    fn why_not(&self, desk: usize, consumer: &ConsumerId, options: &InstanceOptions, now: Instant) -> Refused {
        if let Err(retry_after) = self.breaker.ready(now) {
            return Refused::Suspended { retry_after };
        }
        if self.in_flight >= options.calls_max.max(1) {
            return Refused::BulkheadFull { retry_after: options.breaker.slow_after };
        }
        let turn = self.desks[desk].forecast(consumer, now);
        Refused::QuotaFull { retry_after: turn.saturating_duration_since(now) }
    }

    fn queued(&self) -> usize {
        self.desks.iter().map(|desk| desk.queues.len()).sum()
    }
}

impl Desk {
    fn take(&mut self, now: Instant) -> bool {
        self.next_token = self.bucket.take(now).err();
        self.next_token.is_none()
    }

    /// When one more call of a consumer would have its turn, as far as the rate alone decides.
    fn forecast(&self, consumer: &ConsumerId, now: Instant) -> Instant {
        self.queues.forecast(consumer, self.next_token.unwrap_or(now), self.bucket.period())
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

enum Arrival {
    Goes(Permit),
    Waits(Waiting),
}

/// A place in the queue. Dropped, it is given up.
struct Waiting {
    gate: Gate,
    consumer: ConsumerId,
    place: Place,
    since: Instant,
    /// `None` once the answer was taken.
    told: Option<oneshot::Receiver<Result<Ticket, Refused>>>,
}

impl Waiting {
    async fn turn(mut self, deadline: Instant) -> Result<Permit, Refused> {
        if let Some(told) = &mut self.told {
            tokio::select! {
                biased;
                answer = told => {
                    self.told = None;
                    if let Ok(answer) = answer {
                        return self.answered(answer);
                    }
                }
                () = sleep_until(deadline) => {}
            }
        }
        let answer = self.leave();
        self.answered(answer)
    }

    fn answered(&self, answer: Result<Ticket, Refused>) -> Result<Permit, Refused> {
        let Gate { instance, desk } = &self.gate;
        instance.0.meters.waited.record(self.since.elapsed().as_secs_f64());
        answer.map(|ticket| Permit { instance: instance.clone(), desk: *desk, ticket: Some(ticket) })
    }

    /// Takes the place out of the queue, or what came of it in this very moment.
    fn leave(&mut self) -> Result<Ticket, Refused> {
        let shared = &self.gate.instance.0;
        let now = Instant::now();
        let mut floor = shared.lock();
        // A turn of this very moment counts.
        shared.settle(&mut floor, now);
        // Answers are given under the same lock: either it is here now, or the place is still in the queue.
        if let Some(Ok(answer)) = self.told.take().map(|mut told| told.try_recv()) {
            return answer;
        }
        floor.desks[self.gate.desk].queues.remove(&self.consumer, self.place);
        if floor.queued() == 0 {
            // The ticker has nobody left to wake for.
            shared.alarm.notify_one();
        }
        Err(floor.why_not(self.gate.desk, &self.consumer, &shared.options, now))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let shared = &self.gate.instance.0;
        shared.meters.queued.decrement(1.0);
        if self.told.is_none() {
            return;
        }
        let unused = self.leave();
        if let Ok(ticket) = unused {
            // Its turn came, and it is gone: the next one goes with its token.
            let shared = &self.gate.instance.0;
            let mut floor = shared.lock();
            floor.hand_over(self.gate.desk, ticket);
            shared.settle(&mut floor, Instant::now());
        }
    }
}

/// Handles of an instance's metrics; labels are codes of the configuration and words of closed lists.
struct Meters {
    provider: ProviderId,
    /// Its own code, where it is one of several.
    instance: Option<InstanceId>,
    in_flight: Gauge,
    queued: Gauge,
    waited: Histogram,
    state: Gauge,
    changed: [Counter; 3],
    refused: [Counter; 3],
}

impl Meters {
    fn new(provider: &ProviderId, instance: Option<&InstanceId>) -> Self {
        let labels = |more: Option<(&'static str, &'static str)>| {
            let mut labels = vec![Label::new("provider", provider.as_str().to_owned())];
            // Not `instance`, which is how Prometheus calls the process that it asks.
            labels.extend(instance.map(|instance| Label::new("provider_instance", instance.as_str().to_owned())));
            labels.extend(more.map(|(key, value)| Label::from_static_parts(key, value)));
            labels
        };
        let to = |state: State| counter!("qovsaq_breaker_transitions_total", labels(Some(("to", state.as_str()))));
        let refused = |reason: &'static str| counter!("qovsaq_provider_refused_total", labels(Some(("reason", reason))));
        let state = gauge!("qovsaq_breaker_state", labels(None));
        state.set(0.0);
        Self {
            provider: provider.clone(),
            instance: instance.cloned(),
            in_flight: gauge!("qovsaq_provider_calls_in_flight", labels(None)),
            queued: gauge!("qovsaq_provider_queued", labels(None)),
            waited: histogram!("qovsaq_provider_queue_seconds", labels(None)),
            state,
            changed: [to(State::Closed), to(State::Open), to(State::HalfOpen)],
            refused: [refused("suspended"), refused("quota-full"), refused("bulkhead-full")],
        }
    }

    fn changed(&self, state: State) {
        let [closed, open, half_open] = &self.changed;
        let (counter, value) = match state {
            State::Closed => (closed, 0.0),
            State::HalfOpen => (half_open, 1.0),
            State::Open => (open, 2.0),
        };
        self.state.set(value);
        counter.increment(1);
        let instance = self.instance.as_ref().map(InstanceId::as_str);
        tracing::warn!(provider = %self.provider, instance, breaker = state.as_str(), "a source's breaker changed");
    }

    fn refused(&self, refused: &Refused) {
        let [suspended, quota_full, bulkhead_full] = &self.refused;
        let counter = match refused {
            Refused::Suspended { .. } => suspended,
            Refused::QuotaFull { .. } => quota_full,
            Refused::BulkheadFull { .. } => bulkhead_full,
        };
        counter.increment(1);
    }
}

#[cfg(test)]
mod tests;
