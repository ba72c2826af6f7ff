//! B6: what a log's growth costs: its index, and the search for one person's entries of two years.
//!
//! A log of any size here has its entries spread over the same two years, sealed, about 600 bytes each, three to an exchange,
//! with terms as many and as various as the gateway's. What is timed goes the gateway's way: an entry is read from its
//! segment, opened with the key table, its metadata parsed, its terms made and pushed; a search makes the person's
//! tokens of all months, asks the index, reads what it names from the segments and opens that.
//!
//! ```text
//! cargo run --release -p index --example bench-growth -- build DIR ENTRIES     the log, then its index: rows `write`, `index` and `push`
//! … bench-growth -- search DIR ENTRIES SUBJECTS SEED    so many persons, all in memory: rows `found` and `search`
//! … bench-growth -- cold DIR ENTRIES SUBJECTS SEED      each with a newly opened index and no file of it or the log in memory
//! ```
//!
//! Prints CSV: `what,entries,count,seconds,cpu_us_each,p50_us,p99_us,max_us,note`. `push` is the part
//! of `index` in the index itself, `found` the part of a search before anything is read from the log. What is found is compared with what was written.
#![expect(clippy::print_stdout, reason = "printing the result is its job")]

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use index::{Alternative, Hit, Index, IndexKey, Query, Row, Spot, Term};
use jiff::{SignedDuration, Timestamp, ToSpan as _, tz::TimeZone};
use journal::journal::Options;
use journal::read::{EntryView, FramePlace, Reader};
use journal::{Entry, Journal, Origin, Role, SigningKey, Urgency};
use rustix::fs::Advice;
use rustix::time::{ClockId, clock_gettime};
use seal::entry::{BODY_OVERHEAD, Binding};
use seal::{Epoch, KeyTable, NodeKey};
use serde::{Deserialize, Serialize};

const ORIGIN: &str = "bench.local";
/// What the log hashes of an entry: its own header of 12 bytes and the body.
const LEAF_BYTES: usize = 600;
/// When the first entry is written, and how long until the last.
const BEGINS: &str = "2024-01-01T00:00:00Z";
const SPAN: SignedDuration = SignedDuration::from_hours(731 * 24);
/// Epochs of a log. The gateway opens one every quarter of an hour; what an entry costs does not depend on how many there are.
const EPOCHS: u64 = 2000;
/// Entries that are appended before the ones before them are waited for: about what one commit has under load.
const CHUNK: u64 = 256;
/// How far from its month an entry may carry the month's token, as in the gateway.
const MONTH_EDGE_MS: u64 = 3_600_000;
/// Most entries that a search gives.
const LIMIT: usize = 100;
/// Searches before those that are timed: shards are open then, as they stay in the gateway.
const WARM_UP: u64 = 100;

const OUTCOMES: [&str; 7] = ["FOUND", "NOT_FOUND", "INVALID_DATA", "UNAVAILABLE", "TIMEOUT", "DENIED", "CONSENT_MISSING"];

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["build", dir, entries] => {
            let log = Log::new(Path::new(dir), entries.parse()?)?;
            log.write()?;
            log.index()
        }
        ["search", dir, entries, subjects, seed] => Log::new(Path::new(dir), entries.parse()?)?.search(subjects.parse()?, seed.parse()?),
        ["cold", dir, entries, subjects, seed] => Log::new(Path::new(dir), entries.parse()?)?.search_cold(subjects.parse()?, seed.parse()?),
        _ => Err("accepted is `build DIR ENTRIES`, `search DIR ENTRIES SUBJECTS SEED` or `cold DIR ENTRIES SUBJECTS SEED`".into()),
    }
}

/// A log of so many entries, with the keys to it.
struct Log {
    dir: PathBuf,
    entries: u64,
    begins: Timestamp,
    keys: KeyTable,
    key: IndexKey,
}

/// An entry's metadata: the members that the gateway finds entries by, and some more.
#[derive(Serialize, Deserialize)]
struct Metadata {
    kind: String,
    request_id: String,
    consumer: String,
    service: String,
    purpose: String,
    case: String,
    official: String,
    subject: String,
    outcome: String,
    /// What else there is, up to the usual length.
    given: String,
}

/// How long a search took, until its entries were named and until they were read and opened.
struct Took {
    found: Duration,
    whole: Duration,
    entries: usize,
}

/// A number below `of` that is always the same for an exchange and a field.
fn pick(exchange: u64, field: &str, of: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (exchange, field).hash(&mut hasher);
    hasher.finish() % of.max(1)
}

impl Log {
    fn new(dir: &Path, entries: u64) -> Result<Self, Box<dyn Error>> {
        let node = || NodeKey::from_bytes([2; 32]);
        Ok(Self {
            dir: dir.to_owned(),
            entries,
            begins: BEGINS.parse()?,
            keys: KeyTable::open(&dir.join("keys"), node())?,
            key: IndexKey::new(&node()),
        })
    }

    fn log_dir(&self) -> PathBuf {
        self.dir.join("logs").join(ORIGIN)
    }

    fn index_dir(&self) -> PathBuf {
        self.log_dir().join("index")
    }

    fn persons(&self) -> u64 {
        self.entries / 12
    }

    /// When an entry is written.
    fn at(&self, entry: u64) -> Result<Timestamp, Box<dyn Error>> {
        let ms = SPAN.as_millis() * i128::from(entry) / i128::from(self.entries.max(1));
        Ok(self.begins.checked_add(SignedDuration::from_millis(i64::try_from(ms)?))?)
    }

    fn person(&self, exchange: u64) -> u64 {
        pick(exchange, "person", self.persons())
    }

    /// Writes all entries: intent, answered and disclosed of one exchange after the other.
    fn write(&self) -> Result<(), Box<dyn Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let mut options = Options::new(self.dir.join("logs"), Origin::new(ORIGIN)?);
        options.fence = Some(self.dir.join("fence"));
        let (journal, _) = Journal::open(options, SigningKey::from_seed(&[1; 32]))?;
        let (cpu, wall) = (cpu_time()?, Instant::now());
        let (mut epoch, mut before) = (None, None);
        for first in (0..self.entries).step_by(usize::try_from(CHUNK)?) {
            let end = self.entries.min(first + CHUNK);
            let mut last = None;
            for number in first..end {
                let due = number * EPOCHS / self.entries;
                let (_, epoch) = match epoch.take_if(|(opened, _)| *opened == due) {
                    Some(open) => epoch.insert(open),
                    None => epoch.insert((due, self.keys.open_epoch(self.at(number)?)?.0)),
                };
                let urgency = if number + 1 == end { Urgency::Now } else { Urgency::Lazy };
                last = Some(journal.append(self.entry(number, epoch)?, urgency, None)?);
            }
            // The next are sealed while the disk is busy with these.
            if let Some(before) = std::mem::replace(&mut before, last) {
                runtime.block_on(before.durable());
            }
        }
        let head = runtime.block_on(journal.close())?;
        assert_eq!(head.size(), self.entries, "every entry is in the log");
        let (wall, cpu) = (wall.elapsed(), cpu_time()?.saturating_sub(cpu));
        self.print("write", self.entries, wall, Some(cpu), &mut [], &format!("{} bytes", bytes(&self.log_dir())?))
    }

    fn entry(&self, number: u64, epoch: &Epoch) -> Result<Entry, Box<dyn Error>> {
        let exchange = number / 3;
        let (kind, role) = match number % 3 {
            0 => (10, Role::Opens),
            1 => (11, Role::Closes(number - 1)),
            _ => (20, Role::Single),
        };
        let at = self.at(number)?;
        let time_ms = u64::try_from(at.as_millisecond())?;
        // An exchange's entries carry one token, that of the month in which it began.
        let month = self.at(exchange * 3)?.strftime("%Y-%m").to_string();
        let token = self.keys.token_key(&month)?.token(&self.keys.identity(&canonical(self.person(exchange))));
        let service = pick(exchange, "service", 40);
        let mut metadata = Metadata {
            kind: kind.to_string(),
            request_id: seal::entry::new_id(time_ms).to_string(),
            consumer: format!("consumer-{:02}", pick(exchange, "consumer", 17)),
            service: format!("provider-{:02}/service-{service:02}", service % 20),
            purpose: format!("purpose-{:02}", pick(exchange, "purpose", 30)),
            case: format!("case-{:08}", pick(exchange, "case", self.entries / 10)),
            official: format!("official-{:04}", pick(exchange, "official", 5000)),
            subject: STANDARD_NO_PAD.encode(token),
            outcome: OUTCOMES[usize::try_from(pick(exchange, "outcome", OUTCOMES.len() as u64))?].to_owned(),
            given: String::new(),
        };
        let room = (LEAF_BYTES - 12 - BODY_OVERHEAD).saturating_sub(serde_json::to_vec(&metadata)?.len());
        metadata.given = "x".repeat(room);
        let event_id = seal::entry::new_id(time_ms);
        let binding = Binding { origin: ORIGIN, kind, role: role.code(), link: role.link(), event_id, time_ms };
        let sealed = seal::entry::seal_entry(epoch, &binding, &serde_json::to_vec(&metadata)?, None);
        Ok(Entry { kind, role, body: sealed.body, payload: sealed.payload })
    }

    fn open_index(&self) -> Result<Index, Box<dyn Error>> {
        Ok(Index::open(&self.index_dir(), IndexKey::new(&NodeKey::from_bytes([2; 32])), ORIGIN)?)
    }

    /// Makes the index from the log, which is what making it anew takes.
    fn index(&self) -> Result<(), Box<dyn Error>> {
        let index = self.open_index()?;
        let (cpu, wall) = (cpu_time()?, Instant::now());
        let pushing = self.follow(&index)?;
        let (wall, cpu) = (wall.elapsed(), cpu_time()?.saturating_sub(cpu));
        self.print("index", self.entries, wall, Some(cpu), &mut [], &format!("{} bytes", bytes(&self.index_dir())?))?;
        self.print("push", self.entries, pushing, None, &mut [], "")
    }

    /// Takes in what the index does not have yet; gives the time spent on pushing.
    fn follow(&self, index: &Index) -> Result<Duration, Box<dyn Error>> {
        let mut pushing = Duration::ZERO;
        let entries = journal::read::entries(&self.log_dir(), index.next())?;
        for entry in entries.take(usize::try_from(self.entries - index.next())?) {
            let entry = entry?;
            let (metadata, at) = self.open(&entry)?;
            let terms = self.terms(&metadata)?;
            let row = Row { at, spot: Spot { segment: entry.place.segment, frame: entry.place.offset }, terms, same: Vec::new() };
            let begin = Instant::now();
            index.push(row)?;
            pushing += begin.elapsed();
        }
        assert_eq!(index.next(), self.entries, "every entry is in the index");
        Ok(pushing)
    }

    fn open(&self, entry: &EntryView) -> Result<(Metadata, u64), Box<dyn Error>> {
        let view = seal::entry::parse(&entry.body)?;
        let epoch = self.keys.epoch(view.epoch)?.ok_or("the entry's epoch is not in the key table")?;
        let (role, link) = (entry.role.code(), entry.role.link());
        let opened = seal::entry::open_entry(&epoch, ORIGIN, entry.kind, role, link, &entry.body, None)?;
        Ok((serde_json::from_slice(&opened.metadata)?, view.time_ms))
    }

    fn terms(&self, metadata: &Metadata) -> Result<Vec<Term>, Box<dyn Error>> {
        let provider = metadata.service.split_once('/').map_or("", |(provider, _)| provider);
        let fields = [
            ("kind", &*metadata.kind),
            ("consumer", &metadata.consumer),
            ("official", &metadata.official),
            ("service", &metadata.service),
            ("provider", provider),
            ("purpose", &metadata.purpose),
            ("case", &metadata.case),
            ("outcome", &metadata.outcome),
        ];
        let mut terms: Vec<Term> = fields.iter().map(|(field, value)| self.key.term(field, value.as_bytes())).collect();
        terms.push(self.key.term("subject", &STANDARD_NO_PAD.decode(&metadata.subject)?));
        Ok(terms)
    }

    fn search(&self, subjects: u64, seed: u64) -> Result<(), Box<dyn Error>> {
        // Else what a size costs would be told by how much of it the system happens to keep.
        for file in files(&self.log_dir())? {
            io::copy(&mut File::open(file)?, &mut io::sink())?;
        }
        let index = self.open_index()?;
        self.follow(&index)?;
        let expected = self.expected(subjects + WARM_UP, seed);
        for (person, entries) in expected.iter().skip(usize::try_from(subjects)?) {
            self.find(&index, *person, entries)?;
        }
        let (cpu, wall) = (cpu_time()?, Instant::now());
        let mut all = Vec::new();
        for (person, entries) in expected.iter().take(usize::try_from(subjects)?) {
            all.push(self.find(&index, *person, entries)?);
        }
        self.print_searches("", &all, wall.elapsed(), Some(cpu_time()?.saturating_sub(cpu)))
    }

    fn search_cold(&self, subjects: u64, seed: u64) -> Result<(), Box<dyn Error>> {
        let mut all = Vec::new();
        for (person, entries) in self.expected(subjects, seed) {
            let again = Self::new(&self.dir, self.entries)?;
            let index = again.open_index()?;
            again.follow(&index)?;
            forget(&self.dir)?;
            all.push(again.find(&index, person, &entries)?);
        }
        self.print_searches("cold ", &all, all.iter().map(|took| took.whole).sum(), None)
    }

    /// Persons drawn by a seed, each with what a search must find: newest first, at most [`LIMIT`].
    fn expected(&self, subjects: u64, seed: u64) -> Vec<(u64, Vec<u64>)> {
        let persons: Vec<u64> = (0..subjects).map(|number| pick(number ^ (seed << 32), "subject", self.persons())).collect();
        let mut entries: HashMap<u64, Vec<u64>> = persons.iter().map(|person| (*person, Vec::new())).collect();
        for exchange in (0..self.entries.div_ceil(3)).rev() {
            if let Some(entries) = entries.get_mut(&self.person(exchange)) {
                let indices = (exchange * 3..exchange * 3 + 3).rev().filter(|index| *index < self.entries);
                entries.extend(indices.take(LIMIT.saturating_sub(entries.len())));
            }
        }
        persons.into_iter().map(|person| (person, entries[&person].clone())).collect()
    }

    /// One search as the gateway makes it.
    fn find(&self, index: &Index, person: u64, expected: &[u64]) -> Result<Took, Box<dyn Error>> {
        let begin = Instant::now();
        let identity = self.keys.identity(&canonical(person));
        let mut identities = index.same(identity)?;
        identities.push(identity);
        let mut tokens = Vec::new();
        let (first, last) = index.times().unwrap_or((0, 0));
        for (month, valid) in months(first, last)? {
            let Some(key) = self.keys.known_token_key(&month)? else { continue };
            for identity in &identities {
                tokens.push(Alternative { term: index.key().term("subject", &key.token(identity)), valid: valid.clone() });
            }
        }
        let until = begin + Duration::from_secs(60);
        let query = Query { groups: vec![tokens], times: 0..=u64::MAX, before: u64::MAX, limit: LIMIT, until };
        let hits = index.search(&query)?.hits;
        let found = begin.elapsed();
        let mut reader = Reader::new(&self.log_dir())?;
        let mut opened = Vec::with_capacity(hits.len());
        for Hit { index, spot, .. } in &hits {
            let entry = reader.entry(FramePlace { segment: spot.segment, offset: spot.frame }, *index)?;
            opened.push(self.open(&entry)?);
        }
        let took = Took { found, whole: begin.elapsed(), entries: hits.len() };
        let indices: Vec<u64> = hits.iter().map(|hit| hit.index).collect();
        assert_eq!(indices, expected, "a person's entries are found");
        assert_eq!(opened.len(), expected.len(), "and opened");
        Ok(took)
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure of a few digits")]
    fn print_searches(&self, how: &str, all: &[Took], wall: Duration, cpu: Option<Duration>) -> Result<(), Box<dyn Error>> {
        let entries: usize = all.iter().map(|took| took.entries).sum();
        let note = format!("{:.1} entries each", entries as f64 / all.len() as f64);
        let mut found: Vec<Duration> = all.iter().map(|took| took.found).collect();
        let mut whole: Vec<Duration> = all.iter().map(|took| took.whole).collect();
        self.print(&format!("{how}found"), all.len() as u64, found.iter().sum(), None, &mut found, &note)?;
        self.print(&format!("{how}search"), all.len() as u64, wall, cpu, &mut whole, &note)
    }

    #[expect(clippy::cast_precision_loss, reason = "figures of a few digits")]
    fn print(
        &self,
        what: &str,
        count: u64,
        wall: Duration,
        cpu: Option<Duration>,
        times: &mut [Duration],
        note: &str,
    ) -> Result<(), Box<dyn Error>> {
        let cpu = cpu.map_or_else(String::new, |cpu| format!("{:.3}", cpu.as_secs_f64() * 1e6 / count as f64));
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        let at = |percent: usize| {
            times.get((times.len() * percent / 100).min(last)).map_or_else(String::new, |time| time.as_micros().to_string())
        };
        println!("{what},{},{count},{:.4},{cpu},{},{},{},{note}", self.entries, wall.as_secs_f64(), at(50), at(99), at(100));
        Ok(())
    }
}

/// A person's identifier in its one spelling.
fn canonical(person: u64) -> String {
    format!("fin:{person:07}")
}

/// A month, `YYYY-MM`, and when entries may carry its tokens.
type Month = (String, RangeInclusive<u64>);

/// The months that lie between two moments.
fn months(first: u64, last: u64) -> Result<Vec<Month>, Box<dyn Error>> {
    let mut month = Timestamp::from_millisecond(i64::try_from(first)?)?.to_zoned(TimeZone::UTC).first_of_month()?.start_of_day()?;
    let ms = |at: &jiff::Zoned| u64::try_from(at.timestamp().as_millisecond());
    let mut months = Vec::new();
    while ms(&month)? <= last {
        let next = month.checked_add(1.month())?;
        months.push((month.strftime("%Y-%m").to_string(), ms(&month)?.saturating_sub(MONTH_EDGE_MS)..=ms(&next)? + MONTH_EDGE_MS));
        month = next;
    }
    Ok(months)
}

/// Every file below a folder.
fn files(dir: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(self::files(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    Ok(files)
}

fn bytes(dir: &Path) -> Result<u64, Box<dyn Error>> {
    files(dir)?.iter().try_fold(0, |bytes, file| Ok(bytes + fs::metadata(file)?.len()))
}

/// Gives back the memory in which the system keeps a folder's files.
fn forget(dir: &Path) -> Result<(), Box<dyn Error>> {
    for file in files(dir)? {
        let file = File::open(file)?;
        // What is not on disk yet would stay.
        file.sync_data()?;
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// User and system time of all threads of this process.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?))
}
