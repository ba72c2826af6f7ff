//! The register of rights over the wire: who is answered, who decides, and that what ends, ends at once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use qovsaq::client::{Answer, Client};
use qovsaq::clock;
use qovsaq::demo::{CONSUMER, NEWCOMER, OFFICIAL};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};
use tokio::sync::Notify;

use crate::child::Site;
use crate::house::{House, ask, dossier_envelope, envelope, until};

const SERVICE: &str = "interior/person-identity";

fn document() -> Json {
    json!({"reference": "Order 17", "sha256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="})
}

async fn tell(client: &Client, path: &str, body: &Json) -> Answer {
    client.post(&format!("/v1/access/{path}"), body, "en").await.expect("an answer")
}

fn code(answer: &Answer) -> String {
    let problem = answer.json().expect("JSON");
    let detail = problem["errors"][0]["detail"].as_str().unwrap_or_default();
    detail.split(':').next().unwrap_or_default().to_owned()
}

/// What a change says it has made.
fn made(answer: &Answer) -> Json {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().expect("JSON")["changes"][0].clone()
}

struct People {
    house: House,
    admin: Client,
    other_admin: Client,
    officer: Client,
    protection: Client,
}

impl People {
    async fn of(house: House) -> Self {
        let person = |name: &str| house.environment.person(name).expect("a client");
        let (admin, other_admin) = (person("admin-1"), person("admin-2"));
        Self { officer: person("officer-1"), protection: person("dpo-1"), admin, other_admin, house }
    }

    async fn start() -> Self {
        Self::of(House::start().await).await
    }

    /// Asks as an official in a role of the usual consumer.
    async fn ask(&self, official: &str, role: &str, case: &str) -> Answer {
        let mut body = envelope(&self.house.applicant().fin, case, json!({}));
        body["official"] = json!(official);
        body["role"] = json!(role);
        ask(&self.house.client(), SERVICE, &body).await
    }

    async fn grant(&self, official: &str, role: &str) -> u64 {
        let body = json!({
            "kind": "grant", "official": official, "power": {"consumer": CONSUMER, "role": role}, "document": document(),
        });
        let asked = made(&tell(&self.officer, "requests", &body).await);
        let approved = tell(&self.admin, &format!("requests/{}/approve", asked["request"]), &json!({})).await;
        made(&approved)["rights"][0].as_u64().expect("a right")
    }

    async fn acknowledge(&self, official: &str, role: &str) -> Answer {
        self.house.client().post("/v1/acknowledgements", &json!({"official": official, "role": role}), "en").await.expect("an answer")
    }

    /// The right of the usual official to a role of the usual consumer.
    async fn right_of(&self, official: &str, role: &str) -> u64 {
        let accounts = self.admin.get("/v1/access/accounts", "en").await.expect("an answer").json().expect("JSON");
        let account = accounts["accounts"].as_array().expect("a list").iter().find(|account| account["official"] == official);
        let rights = account.expect("an account")["rights"].as_array().expect("a list");
        let power = json!({"consumer": CONSUMER, "role": role});
        rights.iter().rev().find(|right| right["power"] == power).expect("a right")["right"].as_u64().expect("a number")
    }
}

// clause: 634/2.6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_holds_the_role_is_answered_and_the_source_is_asked_for_nobody_else() {
    let people = People::start().await;
    let case = people.house.open_case(&people.house.client()).await;
    assert_eq!(people.ask(OFFICIAL, "case-officer", &case).await.status, 200);
    let asked = people.house.asked();
    let refused = people.ask("AZ-0999", "case-officer", &case).await;
    assert_eq!((refused.status, code(&refused).as_str()), (403, "official-unknown"));
    let refused = people.ask(NEWCOMER, "case-officer", &case).await;
    assert_eq!((refused.status, code(&refused).as_str()), (403, "role-not-held"));

    people.grant(NEWCOMER, "case-officer").await;
    let refused = people.ask(NEWCOMER, "case-officer", &case).await;
    assert_eq!((refused.status, code(&refused).as_str()), (403, "role-not-acknowledged"));
    assert_eq!(people.house.asked(), asked, "nobody was asked for those who may not");
    assert_eq!(people.acknowledge(NEWCOMER, "case-officer").await.status, 200);
    assert_eq!(people.ask(NEWCOMER, "case-officer", &case).await.status, 200);
    // Another role is another right.
    assert_eq!(code(&people.ask(NEWCOMER, "clerk", &case).await), "role-not-held");
    assert_eq!(people.acknowledge(NEWCOMER, "case-officer").await.status, 409, "there is nothing left to acknowledge");
    let stranger = people.house.environment.client("pension").expect("a client");
    let body = json!({"official": NEWCOMER, "role": "clerk"});
    assert_eq!(stranger.post("/v1/acknowledgements", &body, "en").await.expect("an answer").status, 422, "not a role of its own");
    people.house.stop().await;
}

// clause: 004/6.2
// clause: 004/6.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_decide_is_refused_and_nothing_changes() {
    let people = People::start().await;
    let grant = |official: &str, power: Json| json!({"kind": "grant", "official": official, "power": power, "document": document()});
    let auditor = made(&tell(&people.admin, "requests", &grant(NEWCOMER, json!({"office": "auditor"}))).await)["request"].clone();
    // The requester himself, one whose scope does not reach an office, and one of no deciding office.
    for (client, expected) in [(&people.admin, "own-request"), (&people.officer, "not-entitled")] {
        let refused = tell(client, &format!("requests/{auditor}/approve"), &json!({})).await;
        assert_eq!((refused.status, code(&refused).as_str()), (403, expected), "{}", refused.body);
    }
    assert_eq!(tell(&people.protection, &format!("requests/{auditor}/approve"), &json!({})).await.status, 403);
    // Nobody administers and oversees.
    let refused = tell(&people.officer, "requests", &grant("admin-1", json!({"office": "auditor"}))).await;
    assert_eq!((refused.status, code(&refused).as_str()), (409, "incompatible"));
    // The data know no such role.
    let unknown = tell(&people.officer, "requests", &grant(NEWCOMER, json!({"consumer": CONSUMER, "role": "nobody"}))).await;
    assert_eq!((unknown.status, unknown.json().expect("JSON")["errors"][0]["pointer"].clone()), (422, json!("/power")));
    // One person has one account.
    let open = |official: &str| json!({"official": official, "person": "TEST-AZ-0010", "document": document()});
    let refused = tell(&people.admin, "accounts", &open("AZ-0011")).await;
    assert_eq!((refused.status, code(&refused).as_str()), (409, "second-account"));

    // A subsystem's certificate is nobody's.
    let mut account = open("AZ-0012");
    account["person"] = json!("TEST-AZ-0012");
    account["certificate_name"] = json!("Targeted-Aid.meis.test");
    let refused = tell(&people.officer, "accounts", &account).await;
    assert_eq!((refused.status, refused.json().expect("JSON")["errors"][0]["pointer"].clone()), (422, json!("/certificate_name")));
    // Who opened an account approves nothing for it.
    account["certificate_name"] = Json::Null;
    made(&tell(&people.officer, "accounts", &account).await);
    let clerk =
        made(&tell(&people.admin, "requests", &grant("AZ-0012", json!({"consumer": CONSUMER, "role": "clerk"}))).await)["request"].clone();
    let refused = tell(&people.officer, &format!("requests/{clerk}/approve"), &json!({})).await;
    assert_eq!((refused.status, code(&refused).as_str()), (403, "opened-by-you"));
    // A transfer says expressly what follows, if only that nothing does.
    let order = json!({"kind": "transfer", "official": OFFICIAL, "effective": "2026-03-01T10:00:00+04:00", "document": document(),
                       "power": {"consumer": CONSUMER, "role": "clerk"}});
    let refused = tell(&people.officer, "requests", &order).await;
    let pointers: Vec<Json> =
        refused.json().expect("JSON")["errors"].as_array().expect("errors").iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!((refused.status, pointers), (422, vec![json!("/powers"), json!("")]));

    made(&tell(&people.other_admin, &format!("requests/{auditor}/approve"), &json!({})).await);
    people.house.stop().await;
}

// clause: 001/3.1.20
// clause: 004/17.7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_acts_on_the_next_question_and_on_the_one_under_way() {
    let people = People::start().await;
    let case = people.house.open_case(&people.house.client()).await;
    let right = people.right_of(OFFICIAL, "case-officer").await;
    // The source takes its time; the question is with it when the right is withdrawn.
    people.house.set_fault(SERVICE, "slow", Some(1));
    let (asked_before, under_way) = (people.house.asked_of(SERVICE), people.ask(OFFICIAL, "case-officer", &case));
    let withdrawn = async {
        until("the source is asked", || (people.house.asked_of(SERVICE) > asked_before).then_some(())).await;
        let told = Instant::now();
        made(&tell(&people.protection, "withdrawals", &json!({"right": right, "reason": "a lost card"})).await);
        let refused = people.ask(OFFICIAL, "case-officer", &case).await;
        assert_eq!((refused.status, code(&refused).as_str()), (403, "right-withdrawn"));
        told.elapsed()
    };
    let (answer, took) = tokio::join!(under_way, withdrawn);
    assert_eq!((answer.status, code(&answer).as_str()), (403, "right-withdrawn"), "{}", answer.body);
    assert!(!answer.body.contains("surname"));
    assert!(took < Duration::from_secs(1), "from the withdrawal to the first refusal: {took:?}");
    println!("withdrawal to first refusal: {took:?}");
    // Robots answer with their person.
    let mut body = envelope(&people.house.applicant().fin, &case, json!({}));
    body["official"] = json!("robot:intake");
    body["role"] = json!("intake-robot");
    body["responsible"] = json!(OFFICIAL);
    assert_eq!(ask(&people.house.client(), SERVICE, &body).await.status, 200);
    body["responsible"] = json!(NEWCOMER);
    assert_eq!(code(&ask(&people.house.client(), SERVICE, &body).await), "role-not-held");
    people.house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_stream_ends_when_the_right_is_withdrawn() {
    let people = People::start().await;
    let case = people.house.open_case(&people.house.client()).await;
    let right = people.right_of(OFFICIAL, "case-officer").await;
    // Something stays open, so that the stream would.
    people.house.set_fault("azersu/consumption", "hang", None);
    let body = dossier_envelope(people.house.family(), &case);
    let client = people.house.client();
    let (begun, mut events, mut ended) = (Notify::new(), Vec::new(), None);
    let stream = async {
        let take = |name: &str, data: &Json| {
            begun.notify_one();
            events.push((name.to_owned(), data.clone()));
            ControlFlow::Continue(())
        };
        client.stream("/v1/dossiers/adsy-means-test", &body, "en", 60, take).await.expect("a stream");
        ended = Some(Instant::now());
    };
    let withdraw = async {
        begun.notified().await;
        let told = Instant::now();
        made(&tell(&people.protection, "withdrawals", &json!({"right": right, "reason": "a lost card"})).await);
        told
    };
    let ((), told) = tokio::join!(stream, withdraw);
    let took = ended.expect("it ended").duration_since(told);
    let (name, last) = events.pop().expect("a last event");
    assert_ne!(name, "element");
    let outcomes: Vec<&Json> = last["elements"].as_array().expect("elements").iter().map(|element| &element["outcome"]).collect();
    assert!(outcomes.iter().all(|outcome| outcome.is_null() || **outcome == "DENIED"), "{outcomes:?}");
    assert!(outcomes.iter().any(|outcome| **outcome == "DENIED"));
    assert!(took < Duration::from_secs(1), "from the withdrawal to the stream's end: {took:?}");
    println!("withdrawal to the stream's end: {took:?}");
    people.house.clear_faults();
    people.house.stop().await;
}

// clause: 004/17.6
// clause: 004/18.2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_leaves_the_old_role_behind_and_a_leaver_everything() {
    let people = People::start().await;
    let case = people.house.open_case(&people.house.client()).await;
    people.grant(NEWCOMER, "clerk").await;
    assert_eq!(people.acknowledge(NEWCOMER, "clerk").await.status, 200);
    assert_ne!(code(&people.ask(NEWCOMER, "clerk", &case).await), "role-not-held");

    let effective = model::time::rfc3339(clock::now());
    let transfer = json!({
        "kind": "transfer", "official": NEWCOMER, "effective": effective, "document": document(),
        "powers": [{"consumer": CONSUMER, "role": "case-officer"}],
    });
    let ordered = made(&tell(&people.admin, "requests", &transfer).await);
    assert_eq!(ordered["ends"].as_array().map(Vec::len), Some(1));
    assert_eq!(code(&people.ask(NEWCOMER, "clerk", &case).await), "right-withdrawn");
    assert_eq!(code(&people.ask(NEWCOMER, "case-officer", &case).await), "role-not-held");
    made(&tell(&people.other_admin, &format!("requests/{}/approve", ordered["request"]), &json!({})).await);
    assert_eq!(people.acknowledge(NEWCOMER, "case-officer").await.status, 200);
    assert_eq!(people.ask(NEWCOMER, "case-officer", &case).await.status, 200);
    assert_eq!(code(&people.ask(NEWCOMER, "clerk", &case).await), "right-withdrawn");

    made(&tell(&people.officer, "leavers", &json!({"official": NEWCOMER, "document": document()})).await);
    assert_eq!(code(&people.ask(NEWCOMER, "case-officer", &case).await), "official-deactivated");
    // Who leaves the house leaves the console too.
    let leaver = json!({"official": "operator-1", "document": document()});
    let operator = people.house.environment.person("operator-1").expect("a client");
    assert_eq!(operator.get("/v1/access/me", "en").await.expect("an answer").status, 200);
    made(&tell(&people.admin, "leavers", &leaver).await);
    assert_eq!(operator.get("/v1/access/me", "en").await.expect("an answer").status, 403);
    people.house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_in_an_emergency_acts_at_once_and_waits_for_its_review() {
    let people = People::start().await;
    let until = |hours: i64| model::time::rfc3339(clock::now() + SignedDuration::from_hours(hours));
    let take = |hours: i64| json!({"power": {"office": "auditor"}, "reason": "nobody else is there", "until": until(hours)});
    let search = json!({"reason": "who looked at the file of the complaint", "filter": {"kind": "denied"}});
    let auditor = people.house.environment.person("auditor-1").expect("a client");
    assert_eq!(code(&tell(&auditor, "break-glass", &take(1)).await), "not-allowed-in-emergency");
    assert_eq!(code(&tell(&people.protection, "break-glass", &take(5)).await), "emergency-too-long");
    let right = made(&tell(&people.protection, "break-glass", &take(1)).await)["rights"][0].clone();
    assert_eq!(people.protection.post("/v1/journal/search", &search, "en").await.expect("an answer").status, 200);
    let notices = people.admin.get("/v1/access/break-glass", "en").await.expect("an answer").json().expect("JSON");
    assert_eq!(notices["notices"][0]["right"], right);
    let review = json!({"reason": "he was alone that night"});
    assert_eq!(code(&tell(&people.protection, &format!("break-glass/{right}/review"), &review).await), "own-right");
    made(&tell(&people.admin, &format!("break-glass/{right}/review"), &review).await);
    let notices = people.admin.get("/v1/access/break-glass", "en").await.expect("an answer").json().expect("JSON");
    assert_eq!(notices["notices"], json!([]));
    people.house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_in_the_journal_with_who_whom_and_on_what_and_no_person() {
    let people = People::start().await;
    let right = people.grant(NEWCOMER, "clerk").await;
    assert_eq!(people.acknowledge(NEWCOMER, "clerk").await.status, 200);
    made(&tell(&people.officer, "withdrawals", &json!({"right": right, "reason": "a lost card"})).await);
    let open = json!({"official": "AZ-0011", "person": "TEST-Q-3", "document": document()});
    made(&tell(&people.officer, "accounts", &open).await);
    let lines = people.house.lines();
    let of_kind = |kind: Kind| -> Vec<&Json> { lines.iter().filter(|line| line.is(kind)).map(|line| &line.metadata).collect() };
    let taken = &of_kind(Kind::RegisterTakenOver)[0];
    assert!(taken["accounts"].as_u64() >= Some(10) && taken["sha256"].is_string(), "{taken}");
    for (kind, actor, official) in [
        (Kind::RightRequested, "officer-1", NEWCOMER),
        (Kind::RequestDecided, "admin-1", NEWCOMER),
        (Kind::RightAcknowledged, NEWCOMER, NEWCOMER),
        (Kind::RightWithdrawn, "officer-1", NEWCOMER),
        (Kind::AccountChanged, "officer-1", "AZ-0011"),
    ] {
        let entry = of_kind(kind)[0];
        assert_eq!((&entry["actor"], &entry["official"]), (&json!(actor), &json!(official)), "{entry}");
        assert!(!entry["basis"].is_null());
        assert!(!entry.to_string().contains("person\":"), "{entry}");
    }
    assert_eq!(of_kind(Kind::RightWithdrawn)[0]["basis"], json!({"reason": "a lost card"}));
    people.house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_register_outlives_a_kill_and_is_taken_over_once() {
    let site = Site::prepare().await;
    let child = site.serve().await;
    let officer = child.console_as("officer-1");
    let grant = json!({"kind": "grant", "official": NEWCOMER, "power": {"consumer": CONSUMER, "role": "clerk"}, "document": document()});
    let request = made(&tell(&officer, "requests", &grant).await)["request"].clone();
    child.kill().await;
    // Read once: what the file says later has no meaning.
    site.change("access.yaml", "office: central-administrator", "office: operator");
    let child = site.serve().await;
    let right = made(&tell(&child.console_as("admin-1"), &format!("requests/{request}/approve"), &json!({})).await)["rights"][0].clone();
    assert!(right.is_u64());
    child.kill().await;
    let child = site.serve().await;
    let listed = child.console_as("admin-1").get("/v1/access/requests", "en").await.expect("an answer").json().expect("JSON");
    assert_eq!(listed["requests"][0]["state"]["is"], "approved");
    child.stop().await;
}

/// The first start takes the initial register over: its entry, then the ledger. It is killed before one flush or
/// another of that, and the next start finds all of the register, or nothing of it and takes it over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_the_entry_and_the_ledger_the_register_is_whole_or_not_begun() {
    const FLUSHES: &str = "fdatasync,fsync";
    let site = Site::prepare().await;
    let begin_anew = || {
        for folder in ["journal", "journal-fence", "keys", "store"] {
            std::fs::remove_dir_all(site.dir().join(folder)).unwrap_or_default();
        }
    };
    let child = site.serve_traced(&["-e", &format!("trace={FLUSHES}")]).await;
    let accounts = async |child: &crate::child::Child| {
        let answer = child.console_as("admin-1").get("/v1/access/accounts", "en").await.expect("an answer");
        answer.json().expect("JSON")["accounts"].as_array().map(Vec::len)
    };
    let whole = accounts(&child).await;
    assert!(whole > Some(10));
    child.stop().await;
    let trace = crate::child::whole_trace(&site.trace_file()).await;
    // Flushes are counted thread by thread: the journal's own, and those that the store is written in.
    let mut by_thread: BTreeMap<&str, usize> = BTreeMap::new();
    for line in trace.lines().filter(|line| line.contains("sync(")) {
        *by_thread.entry(line.split_whitespace().next().unwrap_or_default()).or_default() += 1;
    }
    let most = by_thread.values().copied().max().unwrap_or_default();
    let mut killed = 0;
    for nth in (1..=most).filter(|nth| *nth <= 4 || nth + 10 > most) {
        begin_anew();
        if !site.killed_at(FLUSHES, nth).await {
            continue;
        }
        killed += 1;
        let child = site.serve().await;
        assert_eq!(accounts(&child).await, whole, "killed before flush {nth}");
        child.stop().await;
        let taken = crate::ledger::read(site.dir(), 0).iter().filter(|line| line.is(Kind::RegisterTakenOver)).count();
        assert!((1..=2).contains(&taken), "{taken} entries for one register, killed before flush {nth}");
    }
    assert!(killed > 3, "{killed} kills came before it was ready, {by_thread:?}");
}
