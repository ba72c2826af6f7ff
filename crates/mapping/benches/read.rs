//! B7: a SOAP answer to canonical JSON, against the bare parser that it stands on.
//!
//! `canonical` is what the gateway does with an answer: `Plan::read`, then the agreed fields as JSON.
//! `parser` is the limit: quick-xml's `NsReader` reading the same events and discarding them.
//!
//! ```text
//! cargo run --release -p mapping --example bench-read            5 rounds as CSV: round,subject,input,bytes,iterations,ns
//! … bench-read -- rounds N            N rounds
//! … bench-read -- once SUBJECT INPUT N   one subject N times, nothing else: for callgrind and perf
//! … bench-read -- inputs FOLDER       writes the inputs and what they must become, for other peers
//! ```
//!
//! Subjects take turns of 20 ms within a round and a round's figure is the median turn, so that a change
//! of the machine's speed meets both and an interruption none.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mapping::{Limits, Plan, WireAnswer};
use model::document::Document;
use model::{FieldSet, Problems, Profile, Service, ServiceId};
use quick_xml::NsReader;
use quick_xml::events::Event;

/// How long one subject reads one input before the other takes its turn.
const TURN: Duration = Duration::from_millis(20);
/// Turns of each subject in a round.
const TURNS: usize = 25;
/// Before the first round, so that caches and the clock speed have settled.
const WARM_UP: Duration = Duration::from_millis(200);
/// Rounds where none are named.
const ROUNDS: usize = 5;

/// Who reads.
#[derive(Debug, Clone, Copy)]
enum Subject {
    Parser,
    Canonical,
}

impl Subject {
    const ALL: [Self; 2] = [Self::Parser, Self::Canonical];

    fn name(self) -> &'static str {
        match self {
            Self::Parser => "parser",
            Self::Canonical => "canonical",
        }
    }
}

/// An answer with the plan that reads it and the JSON it must become.
struct Input {
    name: &'static str,
    plan: Plan,
    agreed: FieldSet,
    body: String,
    events: usize,
    expected: Vec<u8>,
}

fn main() -> io::Result<()> {
    let inputs = [
        Input::new("person-identity", "interior/person-identity", 1),
        Input::new("person-income, 2 months", "taxes/person-income", 1),
        Input::new("person-income, 120 months", "taxes/person-income", 60),
    ];
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => rounds(&inputs, ROUNDS),
        ["rounds", count] => rounds(&inputs, number(count)?),
        ["once", subject, input, count] => {
            let subject = Subject::ALL.into_iter().find(|known| known.name() == *subject).ok_or_else(|| wrong("a subject"))?;
            let input = inputs.iter().find(|known| known.name == *input).ok_or_else(|| wrong("an input"))?;
            (0..number(count)?).for_each(|_| input.read_by(subject));
            Ok(())
        }
        ["inputs", folder] => inputs.iter().try_for_each(|input| input.write(Path::new(folder))),
        _ => Err(wrong("no argument, `rounds N`, `once SUBJECT INPUT N` or `inputs FOLDER`")),
    }
}

fn wrong(accepted: &str) -> io::Error {
    io::Error::other(format!("accepted is {accepted}"))
}

fn number(text: &str) -> io::Result<usize> {
    text.parse().map_err(|_| wrong("a number"))
}

fn rounds(inputs: &[Input], rounds: usize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for input in inputs {
        for subject in Subject::ALL {
            input.turn(subject, WARM_UP);
        }
    }
    writeln!(out, "round,subject,input,bytes,iterations,ns")?;
    for round in 1..=rounds {
        for input in inputs {
            let mut turns = Subject::ALL.map(|subject| (subject, Vec::with_capacity(TURNS), 0));
            for _ in 0..TURNS {
                for (subject, nanos, iterations) in &mut turns {
                    let (done, took) = input.turn(*subject, TURN);
                    nanos.push(took.as_nanos() / u128::from(done));
                    *iterations += done;
                }
                input.assert_right();
            }
            for (subject, mut nanos, iterations) in turns {
                nanos.sort_unstable();
                let median = nanos[TURNS / 2];
                writeln!(out, "{round},{},\"{}\",{},{iterations},{median}", subject.name(), input.name, input.body.len())?;
            }
        }
    }
    Ok(())
}

impl Input {
    /// A shipped example of an answer; `times` repeats its months.
    fn new(name: &'static str, id: &str, times: usize) -> Self {
        let (provider, service) = id.split_once('/').expect("a service");
        let mappings = root().join("mappings");
        let body = std::fs::read_to_string(mappings.join(provider).join("examples").join(service).join("ok.xml")).expect("the example");
        let plan = plan(id, &mappings);
        let mut input = Self {
            name,
            agreed: plan.service().agreed(),
            plan,
            body: repeated(&body, "<g:Ay_Melumati>", "</g:Aylar>", times),
            events: 0,
            expected: Vec::new(),
        };
        input.events = input.parse();
        input.expected = input.canonical();
        assert!(serde_json::from_slice::<serde_json::Value>(&input.expected).is_ok_and(|json| json["fin"] == "5K7QX2O"), "the example");
        input
    }

    fn turn(&self, subject: Subject, at_least: Duration) -> (u64, Duration) {
        let begin = Instant::now();
        let mut iterations = 0;
        loop {
            (0..8).for_each(|_| self.read_by(subject));
            iterations += 8;
            let took = begin.elapsed();
            if took >= at_least {
                return (iterations, took);
            }
        }
    }

    fn read_by(&self, subject: Subject) {
        match subject {
            Subject::Parser => assert_eq!(self.parse(), self.events, "every event is read"),
            Subject::Canonical => assert_eq!(self.canonical().len(), self.expected.len(), "every field is read"),
        }
    }

    fn assert_right(&self) {
        assert!(self.canonical() == self.expected, "what is read stays the same");
    }

    fn parse(&self) -> usize {
        let mut reader = NsReader::from_str(black_box(&self.body));
        reader.config_mut().expand_empty_elements = true;
        let mut events = 0;
        loop {
            match black_box(reader.read_event().expect("a good example")) {
                Event::Eof => return events,
                _ => events += 1,
            }
        }
    }

    fn canonical(&self) -> Vec<u8> {
        let answer = WireAnswer { status: 200, body: black_box(self.body.as_bytes()) };
        let reading = self.plan.read(answer, Profile::Test, &Limits::default()).expect("a good example");
        let facts = reading.facts.expect("a record");
        serde_json::to_vec(black_box(&facts.show(&self.agreed))).expect("JSON")
    }

    fn write(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(format!("{}.xml", self.name)), &self.body)?;
        std::fs::write(folder.join(format!("{}.json", self.name)), &self.expected)
    }
}

/// The text with everything between two marks so many times.
fn repeated(text: &str, from: &str, to: &str, times: usize) -> String {
    let Some((head, rest)) = text.split_once(from) else { return text.to_owned() };
    let (inner, tail) = rest.split_once(to).expect("the end after the beginning");
    let item = format!("{from}{inner}");
    format!("{head}{}{to}{tail}", item.repeat(times))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn plan(id: &str, mappings: &Path) -> Plan {
    let mut problems = Problems::default();
    let snapshot = model::load::load(&root().join("contracts"), jiff::civil::date(2026, 3, 11), &mut problems);
    let service: Arc<Service> = Arc::clone(&snapshot.services[&ServiceId::new(id).expect("a service")]);
    let document = Document::read(&mappings.join(format!("{id}@{}.yaml", service.version))).expect("the mapping");
    mapping::compile(&document, &service, &mut problems).expect("a plan without problems")
}
