//! The register of rights as the gateway keeps it: a change is journalled first, then added to its ledger in the store,
//! then seen by everybody at once. Reading it costs no lock.
//!
//! A stop between the first two steps leaves an entry without its effect, never an effect without its entry. Changes
//! happen one after the other, each in a task of its own: a caller that goes away leaves none half done.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use model::document::Document;
use model::{Calendar, ConsumerId, Problems, RoleId, Snapshot};
use policy::{Official, Standing};
use rights::{By, Change, Command, DocumentRef, Event, OfficialNumber, PersonKey, Power, Refusal, Register, RightId, Sha256, Uses};
use seal::SealKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use store::{Ledger, Store, StoreError};
use tokio::sync::watch;
use uuid::Uuid;

use crate::clock;
use crate::record::{Kind, NoRecord, Recorder};

/// Where the register's changes are.
const LEDGER: Ledger = Ledger("rights");
/// Where the last days of use are.
const USES: Ledger = Ledger("rights' uses");

/// One row of the ledger.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Row {
    /// A change.
    Event(Box<Event>),
    /// Everything up to here, with what may not be kept any longer left out.
    Register(Box<Register>),
}

/// The register of rights of this node.
#[derive(Debug)]
pub struct Rights {
    /// Whether one is kept at all; where not, the role itself is the bound.
    kept: bool,
    register: ArcSwap<Register>,
    /// How many rows the ledger holds; whoever changes the register holds this.
    writing: tokio::sync::Mutex<usize>,
    /// Counts changes, so that open answers notice.
    changed: watch::Sender<u64>,
    uses: Mutex<Used>,
    store: Arc<Store>,
    person_key: SealKey,
}

#[derive(Debug, Default)]
struct Used {
    uses: Uses,
    /// Whether the disk knows less.
    unsaved: bool,
}

/// Why a command had no effect.
#[derive(Debug, thiserror::Error)]
pub enum NotTold {
    /// A rule of the register stands against it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The journal takes no entry: nothing was changed.
    #[error(transparent)]
    NoRecord(#[from] NoRecord),
    /// The store does not take the change, which is in the journal: it has no effect.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A task ended abnormally.
    #[error("the task that changes the register ended abnormally")]
    Task(#[from] tokio::task::JoinError),
}

impl Rights {
    /// Reads the register as it was left. `configured`: whether the configuration wants one; one that was ever kept stays
    /// in force without that.
    ///
    /// # Errors
    /// When the ledger is damaged or comes from a later version.
    pub fn open(store: Arc<Store>, person_key: SealKey, configured: bool) -> anyhow::Result<Self> {
        let (register, rows) = read(&store)?;
        let uses = store.note(USES)?.and_then(|note| serde_json::from_slice(&note).ok()).unwrap_or_default();
        Ok(Self {
            kept: configured || rows > 0,
            register: ArcSwap::from_pointee(register),
            writing: tokio::sync::Mutex::new(rows),
            changed: watch::Sender::new(0),
            uses: Mutex::new(Used { uses, unsaved: false }),
            store,
            person_key,
        })
    }

    /// The register as it stands.
    #[must_use]
    pub fn register(&self) -> Guard<Arc<Register>> {
        self.register.load()
    }

    /// The keyed digest of who a person is: equal for one person, whoever writes it.
    #[must_use]
    pub fn person(&self, text: &str) -> PersonKey {
        PersonKey(self.person_key.mac(&[b"person\0".as_slice(), text.trim().to_uppercase().as_bytes()].concat()))
    }

    /// What the register says of who asks, in this role of this consumer; of a robot, what it says of who is answerable.
    #[must_use]
    pub fn standing(&self, consumer: &ConsumerId, official: &Official, role: &RoleId, now: Timestamp) -> Standing {
        self.standing_by(consumer, official, role, now).0
    }

    fn standing_by(&self, consumer: &ConsumerId, official: &Official, role: &RoleId, now: Timestamp) -> (Standing, Option<RightId>) {
        if !self.kept {
            return (Standing::NotKept, None);
        }
        let number = match official {
            Official::Person(number) => number,
            Official::Robot { responsible: Some(responsible), .. } => responsible,
            // Denied for that alone.
            Official::Robot { responsible: None, .. } => return (Standing::NotKept, None),
        };
        let (standing, right) = self.register.load().standing_by(number, consumer, role, now);
        let standing = match standing {
            rights::Standing::Held => Standing::Held,
            rights::Standing::NoAccount => Standing::NoAccount,
            rights::Standing::Deactivated => Standing::Deactivated,
            rights::Standing::NotHeld => Standing::NotHeld,
            rights::Standing::NotYet => Standing::NotYet,
            rights::Standing::NotAcknowledged => Standing::NotAcknowledged,
            rights::Standing::Withdrawn => Standing::Withdrawn,
        };
        (standing, right)
    }

    /// Takes down that something was disclosed under the right that he holds.
    pub fn used(&self, consumer: &ConsumerId, official: &Official, role: &RoleId, now: Timestamp) {
        let (_, Some(right)) = self.standing_by(consumer, official, role, now) else { return };
        self.note(right, now);
    }

    /// Takes down that an office was used.
    pub fn office_used(&self, right: RightId, now: Timestamp) {
        self.note(right, now);
    }

    fn note(&self, right: RightId, now: Timestamp) {
        let mut used = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        used.unsaved |= used.uses.note(right, now);
    }

    /// The last day on which each right was used.
    #[must_use]
    pub fn uses(&self) -> Uses {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).uses.clone()
    }

    /// Keeps the last days of use on the disk. Blocking. What a crash loses is less than a minute of them.
    ///
    /// # Errors
    /// When the disk refuses; they are kept the next time.
    pub fn save_uses(&self) -> Result<(), StoreError> {
        let uses = {
            let mut used = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
            if !std::mem::take(&mut used.unsaved) {
                return Ok(());
            }
            used.uses.retain(&self.register.load());
            used.uses.clone()
        };
        let kept = self.store.put_note(USES, &serde_json::to_vec(&uses).unwrap_or_default());
        if kept.is_err() {
            self.uses.lock().unwrap_or_else(PoisonError::into_inner).unsaved = true;
        }
        kept
    }

    /// Told whenever the register changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Tells the register to do something; when it returns, everybody sees it.
    ///
    /// # Errors
    /// The rule that stands against it, or what did not take it down.
    pub async fn tell(
        self: &Arc<Self>,
        recorder: &Arc<Recorder>,
        snapshot: &Snapshot,
        (command, by): (Command, By),
        request_id: Uuid,
    ) -> Result<Vec<Event>, NotTold> {
        let calendar = snapshot.calendar.clone();
        let (this, recorder) = (Arc::clone(self), Arc::clone(recorder));
        let decide = move |register: &Register, calendar: &Calendar| register.decide(&command, &by, clock::now(), calendar);
        tokio::spawn(async move { this.change(&recorder, request_id, |register| decide(register, &calendar)).await }).await?
    }

    /// DECIDE, JOURNAL, LEDGER, SWAP.
    async fn change(
        &self,
        recorder: &Recorder,
        request_id: Uuid,
        decide: impl FnOnce(&Register) -> Result<Vec<Event>, Refusal>,
    ) -> Result<Vec<Event>, NotTold> {
        let mut known = self.writing.lock().await;
        let before = self.register.load_full();
        let events = decide(&before)?;
        for event in &events {
            recorder.event(kind(&event.change), &entry(request_id, event, &before)).await?;
        }
        self.keep(&mut known, &before, &events).await?;
        Ok(events)
    }

    /// Adds events to the ledger and shows what they come to.
    async fn keep(&self, known: &mut usize, before: &Register, events: &[Event]) -> Result<(), NotTold> {
        let mut after = before.clone();
        events.iter().for_each(|event| after.apply(event));
        let erased = events.iter().any(|event| matches!(event.change, Change::AccountErased { .. }));
        let bytes = |row: &Row| serde_json::to_vec(row).unwrap_or_default();
        let rows: Vec<Vec<u8>> = if erased {
            vec![bytes(&Row::Register(Box::new(after.clone())))]
        } else {
            events.iter().map(|event| bytes(&Row::Event(Box::new(event.clone())))).collect()
        };
        let (store, so_far) = (Arc::clone(&self.store), *known);
        let added = rows.len();
        let written = tokio::task::spawn_blocking(move || match erased {
            // Earlier changes name who is erased.
            true => store.replace_changes(LEDGER, &rows),
            false => store.add_changes(LEDGER, so_far, &rows),
        });
        match written.await? {
            Ok(()) => {
                *known = if erased { added } else { so_far + added };
                self.show(after);
                Ok(())
            }
            Err(error) => {
                // It may have come through all the same: what the disk says is what holds.
                let store = Arc::clone(&self.store);
                if let Ok((register, rows)) = tokio::task::spawn_blocking(move || read(&store)).await? {
                    *known = rows;
                    if register != *before {
                        self.show(register);
                    }
                }
                Err(error.into())
            }
        }
    }

    fn show(&self, register: Register) {
        self.register.store(Arc::new(register));
        self.changed.send_modify(|count| *count += 1);
    }

    /// Takes the initial register over where nothing is kept yet: its hash and counts are journalled first.
    ///
    /// # Errors
    /// The file's problems, or what did not take it down.
    pub async fn take_over(
        &self,
        recorder: &Recorder,
        initial: &Initial,
        snapshot: &Snapshot,
        problems: &mut Problems,
    ) -> anyhow::Result<()> {
        let mut known = self.writing.lock().await;
        if *known > 0 {
            return Ok(());
        }
        let Some(events) = initial.events(|text| self.person(text), snapshot, problems) else { return Ok(()) };
        let accounts = events.iter().filter(|event| matches!(event.change, Change::AccountOpened { .. })).count();
        let taken = json!({
            "reference": initial.document.reference, "sha256": initial.document.sha256,
            "accounts": accounts, "rights": events.len() - accounts,
        });
        recorder.event(Kind::RegisterTakenOver, &taken).await?;
        self.keep(&mut known, &Register::default(), &events).await?;
        Ok(())
    }

    /// Takes down what has lapsed, and erases what may not be kept any longer.
    ///
    /// # Errors
    /// When journal or store do not take it: it is done the next time.
    pub async fn upkeep(self: &Arc<Self>, recorder: &Arc<Recorder>, snapshot: &Snapshot) -> Result<(), NotTold> {
        match self.tell(recorder, snapshot, (Command::Upkeep, By::Gateway), crate::record::new_id()).await {
            Ok(_) | Err(NotTold::Refused(Refusal::NothingToDo)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What the ledger comes to, and how many rows it has.
fn read(store: &Store) -> anyhow::Result<(Register, usize)> {
    let rows = store.changes(LEDGER)?;
    let mut register = Register::default();
    for row in &rows {
        // The reason would quote what stands there, which is personal.
        match serde_json::from_slice(row).ok().context("a change of the register of rights is of a later version, or damaged")? {
            Row::Event(event) => register.apply(&event),
            Row::Register(whole) => register = *whole,
        }
    }
    Ok((register, rows.len()))
}

/// The file `access.initial` as it was read.
#[derive(Debug)]
pub struct Initial {
    file: Document,
    document: DocumentRef,
}

impl Initial {
    /// Reads the file.
    ///
    /// # Errors
    /// One problem: unreadable, too large, or not the accepted YAML.
    pub fn read(path: &std::path::Path) -> Result<Self, model::Problem> {
        let file = Document::read(path)?;
        let bytes = std::fs::read(path).unwrap_or_default();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let document = DocumentRef { reference: name.into(), sha256: Sha256(crate::wire::sha256_of(&[&bytes])) };
        Ok(Self { file, document })
    }

    fn events(&self, person: impl Fn(&str) -> PersonKey, snapshot: &Snapshot, problems: &mut Problems) -> Option<Vec<Event>> {
        let knows = |power: &Power| knows(snapshot, power);
        rights::take_over(&self.file, &self.document, person, knows, clock::now(), problems).ok()
    }

    /// Whether it would be taken over; what is wrong is in the list.
    pub fn check(&self, snapshot: &Snapshot, problems: &mut Problems) {
        // Nothing is kept of it: persons need only differ from one another.
        let person = |text: &str| PersonKey(crate::wire::sha256_of(&[text.as_bytes()]));
        self.events(person, snapshot, problems);
    }
}

/// Whether the data have what a power names: its consumer, and there the role.
#[must_use]
pub fn knows(snapshot: &Snapshot, power: &Power) -> bool {
    match power {
        Power::ConsumerOfficer { consumer } => snapshot.consumers.contains_key(consumer),
        Power::Function { consumer, role, .. } => {
            snapshot.consumers.get(consumer).is_some_and(|consumer| consumer.roles.contains_key(role))
        }
        Power::CentralAdministrator
        | Power::TerritorialAdministrator { .. }
        | Power::Auditor
        | Power::Assessor
        | Power::DataProtectionOfficer
        | Power::Operator => true,
    }
}

fn kind(change: &Change) -> Kind {
    match change {
        Change::AccountOpened { .. }
        | Change::AccountDeactivated { .. }
        | Change::AccountReopened { .. }
        | Change::AccountErased { .. } => Kind::AccountChanged,
        Change::Given { .. } => Kind::RegisterTakenOver,
        Change::Requested { .. } => Kind::RightRequested,
        Change::Approved { .. } | Change::Refused { .. } | Change::Cancelled { .. } => Kind::RequestDecided,
        Change::Acknowledged { .. } => Kind::RightAcknowledged,
        Change::Withdrawn { .. } => Kind::RightWithdrawn,
        Change::GlassBroken { .. } => Kind::EmergencyRightTaken,
        Change::GlassReviewed { .. } => Kind::EmergencyRightReviewed,
        Change::Confirmed { .. } | Change::Lapsed { .. } => Kind::RightReviewed,
        Change::Swept { .. } => Kind::RegisterSwept,
    }
}

/// A change's entry: the event itself, whom it concerns and who did it. Who a person is stays out of it.
fn entry(request_id: Uuid, event: &Event, before: &Register) -> Json {
    let mut change = serde_json::to_value(&event.change).unwrap_or_default();
    if let Some(opened) = change.get_mut("account-opened").and_then(Json::as_object_mut) {
        opened.remove("person");
    }
    let actor = match &event.by {
        By::Official(number) => Some(number.as_str()),
        By::Gateway => None,
    };
    json!({
        "request_id": request_id,
        "actor": actor,
        "official": concerned(&event.change, before).map(|number| number.to_string()),
        "what": event.change.name(),
        "basis": event.basis,
        "change": change,
    })
}

/// Whose account or right an event changes.
fn concerned<'a>(change: &'a Change, before: &'a Register) -> Option<&'a OfficialNumber> {
    let of_right = |right: &RightId| before.right(*right).map(|right| &right.official);
    match change {
        Change::AccountOpened { official, .. }
        | Change::AccountDeactivated { official }
        | Change::AccountReopened { official }
        | Change::AccountErased { official } => Some(official),
        Change::Given { granted, .. } | Change::GlassBroken { granted } => Some(&granted.official),
        Change::Requested { wanted, .. } => match wanted {
            rights::Wanted::Grant { official, .. } | rights::Wanted::Transfer { official, .. } => Some(official),
            rights::Wanted::Withdrawal { right, .. } => of_right(right),
        },
        Change::Approved { request, .. } | Change::Refused { request } | Change::Cancelled { request } => {
            before.request(*request).map(|request| &request.official)
        }
        Change::Acknowledged { right }
        | Change::Withdrawn { right }
        | Change::GlassReviewed { right }
        | Change::Confirmed { right }
        | Change::Lapsed { right } => of_right(right),
        Change::Swept { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use seal::NodeKey;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn opened(official: &str, key: u8) -> Event {
        let change = Change::AccountOpened {
            official: OfficialNumber::new(official).expect("valid"),
            person: PersonKey([key; 32]),
            certificate_name: None,
            subject: None,
        };
        Event { at: at("2026-01-15T06:00:00Z"), by: By::Gateway, basis: rights::Basis::Rule("test".into()), change }
    }

    fn open(dir: &std::path::Path) -> Rights {
        let key = |label: &str| NodeKey::from_bytes([7; 32]).derive(label);
        let store = Store::open(&dir.join("store.sqlite"), key("store")).expect("opens");
        Rights::open(Arc::new(store), key("rights"), false).expect("reads")
    }

    async fn take(rights: &Rights, events: &[Event]) {
        let mut known = rights.writing.lock().await;
        let before = rights.register.load_full();
        rights.keep(&mut known, &before, events).await.expect("kept");
    }

    #[tokio::test]
    async fn what_is_kept_is_read_back_and_a_register_once_kept_is_not_switched_off() {
        let dir = tempfile::tempdir().expect("a folder");
        let rights = open(dir.path());
        assert!(!rights.kept);
        take(&rights, &[opened("AZ-0001", 1), opened("AZ-0002", 2)]).await;
        take(&rights, &[opened("AZ-0003", 3)]).await;
        let register = rights.register.load_full();
        drop(rights);
        let rights = open(dir.path());
        assert!(rights.kept);
        assert_eq!(*rights.register.load_full(), *register);
        take(&rights, &[opened("AZ-0004", 4)]).await;
    }

    #[tokio::test]
    async fn who_is_erased_is_in_no_row_of_the_ledger_any_more() {
        let dir = tempfile::tempdir().expect("a folder");
        let rights = open(dir.path());
        take(&rights, &[opened("AZ-0001", 1), opened("AZ-0002", 2)]).await;
        let official = OfficialNumber::new("AZ-0001").expect("valid");
        let left = |change| Event { change, ..opened("AZ-0001", 1) };
        take(&rights, &[left(Change::AccountDeactivated { official: official.clone() })]).await;
        take(&rights, &[left(Change::AccountErased { official })]).await;
        take(&rights, &[opened("AZ-0003", 3)]).await;
        let rows = rights.store.changes(LEDGER).expect("sound");
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| !String::from_utf8_lossy(row).contains("AZ-0001")));
        let register = rights.register.load_full();
        drop(rights);
        assert_eq!(*open(dir.path()).register.load_full(), *register);
    }

    #[test]
    fn days_of_use_are_kept_for_rights_that_are_known_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let rights = open(dir.path());
        rights.office_used(RightId(1), at("2026-01-15T06:00:00Z"));
        rights.save_uses().expect("kept");
        // The register knows no such right: it is not kept.
        assert_eq!(rights.uses().last(RightId(1)), None);
    }
}
