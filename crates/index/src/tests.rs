//! The index against a list that is looked through.

use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use seal::{Identity, NodeKey};

use super::*;

const MONTH: u64 = 31 * 24 * 3600 * 1000;

fn key(byte: u8) -> IndexKey {
    IndexKey::new(&NodeKey::from_bytes([byte; 32]))
}

/// Entries of whom every one has a purpose, every tenth a person of forty, every thousandth a rare one.
struct Log {
    rows: Vec<Row>,
}

impl Log {
    fn new(count: u64, apart_ms: u64) -> Self {
        let key = key(1);
        let row = |index: u64| {
            let mut terms = vec![key.term("purpose", &[(index % 3) as u8])];
            if index.is_multiple_of(10) {
                terms.push(key.term("subject", &(index / 10 % 40).to_le_bytes()));
            }
            if index.is_multiple_of(1000) {
                terms.push(key.term("case", &index.to_le_bytes()));
            }
            // The clock goes back now and then.
            let at = 1_700_000_000_000 + index * apart_ms - index % 7;
            Row { at, spot: Spot { segment: index / 5000, frame: index * 512 }, terms, same: Vec::new() }
        };
        Self { rows: (0..count).map(row).collect() }
    }

    fn push_into(&self, index: &Index) {
        let from = usize::try_from(index.next()).expect("fits");
        self.rows[from..].iter().for_each(|row| index.push(row.clone()).expect("pushed"));
    }

    fn fill_gaps(&self, index: &Index) {
        while let Some(Gap(entries)) = index.gaps().into_iter().next() {
            let from = usize::try_from(entries.start).expect("fits");
            assert!(index.fill(entries.start, &self.rows[from..from + 4096]).expect("filled"));
        }
    }

    /// What a look through all of them finds.
    fn look_through(&self, query: &Query) -> Vec<u64> {
        let found = (0..).zip(&self.rows).filter(|(index, row)| {
            let carries = |group: &Vec<Alternative>| group.iter().any(|one| row.terms.contains(&one.term));
            *index < query.before && query.times.contains(&row.at) && query.groups.iter().all(carries)
        });
        let mut found: Vec<u64> = found.map(|(index, _)| index).collect();
        found.reverse();
        found
    }
}

fn query(groups: &[&[(&str, &[u8])]], times: RangeInclusive<u64>) -> Query {
    let key = key(1);
    let group = |terms: &&[(&str, &[u8])]| terms.iter().map(|(field, value)| Alternative::always(key.term(field, value))).collect();
    Query {
        groups: groups.iter().map(group).collect(),
        times,
        before: u64::MAX,
        limit: 100,
        until: Instant::now() + Duration::from_secs(60),
    }
}

/// All that pages give, checked to be what the list has.
fn all_pages(index: &Index, log: &Log, mut query: Query) -> usize {
    let expected = log.look_through(&query);
    let mut found = Vec::new();
    loop {
        let page = index.search(&query).expect("searched");
        assert!(page.hits.len() <= query.limit);
        for hit in page.hits {
            let row = &log.rows[usize::try_from(hit.index).expect("fits")];
            assert_eq!((hit.at, hit.spot), (row.at, row.spot));
            found.push(hit.index);
        }
        match page.next {
            Some(next) => query.before = next,
            None => break,
        }
    }
    assert_eq!(found, expected);
    found.len()
}

fn check_all(index: &Index, log: &Log) {
    for query in queries() {
        all_pages(index, log, query);
    }
}

fn queries() -> Vec<Query> {
    let all = 0..=u64::MAX;
    let seven = 7_u64.to_le_bytes();
    let eight = 8_u64.to_le_bytes();
    vec![
        query(&[], all.clone()),
        query(&[&[("subject", &seven)]], all.clone()),
        query(&[&[("subject", &seven), ("subject", &eight)]], all.clone()),
        query(&[&[("subject", &seven)], &[("purpose", &[1])]], all.clone()),
        query(&[&[("purpose", &[1])], &[("purpose", &[2])]], all.clone()),
        query(&[&[("case", &3000_u64.to_le_bytes())], &[("purpose", &[0])]], all.clone()),
        query(&[&[("case", &7_u64.to_le_bytes())]], all.clone()),
        // The value of another field is not found.
        query(&[&[("official", &seven)]], all),
        query(&[&[("purpose", &[0])]], 1_700_000_000_000 + 20_000..=1_700_000_000_000 + 5_000_000),
        query(&[], 0..=1),
    ]
}

fn files(dir: &std::path::Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).expect("folder").map(|file| file.expect("file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "db"));
    files.sort();
    files
}

#[test]
fn every_query_finds_what_a_look_through_all_finds() {
    let dir = tempfile::tempdir().expect("folder");
    // A month every 6,000 entries or so: blocks that straddle months, and several shards.
    let log = Log::new(4096 * 4 + 1234, MONTH / 6000);
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    log.push_into(&index);
    assert!(files(dir.path()).len() > 2);
    let found: Vec<usize> = queries().into_iter().map(|query| all_pages(&index, &log, query)).collect();
    assert_eq!(found.iter().filter(|found| **found > 0).count(), 6, "{found:?}");
    let found: Vec<usize> = queries().into_iter().map(|query| all_pages(&index, &log, Query { limit: 7, ..query })).collect();
    assert_eq!(found[0], log.rows.len());
}

#[test]
fn a_term_of_another_time_is_not_looked_for() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Log::new(4096 + 10, 1000);
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    log.push_into(&index);
    let term = key(1).term("purpose", &[1]);
    let mut query = query(&[], 0..=u64::MAX);
    query.groups = vec![vec![Alternative { term, valid: 0..=1_600_000_000_000 }]];
    assert_eq!(index.search(&query).expect("searched").hits, []);
    query.groups = vec![vec![Alternative { term, valid: 1_700_000_000_000..=1_700_000_001_000 }]];
    assert!(!index.search(&query).expect("searched").hits.is_empty());
}

#[test]
fn whole_blocks_outlive_a_restart_and_the_rest_is_pushed_again() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Log::new(4096 * 2 + 5, MONTH / 6000);
    log.push_into(&Index::open(dir.path(), key(1), "test").expect("opens"));
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    assert_eq!((index.next(), index.gaps()), (4096 * 2, vec![]));
    log.push_into(&index);
    check_all(&index, &log);
}

#[test]
fn a_missing_or_foreign_shard_is_a_gap_that_can_be_filled() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Log::new(4096 * 6 + 5, MONTH / 6000);
    log.push_into(&Index::open(dir.path(), key(1), "test").expect("opens"));
    let files = files(dir.path());
    assert!(files.len() >= 3, "{files:?}");
    fs::remove_file(&files[0]).expect("removed");
    fs::copy(&files[2], &files[1]).expect("copied");
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    assert!(!index.gaps().is_empty());
    log.push_into(&index);
    log.fill_gaps(&index);
    check_all(&index, &log);
    drop(index);
    // Another key, or another log, finds nothing of use: all is to be made anew.
    for (key, origin) in [(key(2), "test"), (key(1), "other")] {
        let index = Index::open(dir.path(), key, origin).expect("opens");
        assert_eq!((index.next(), index.gaps()), (0, vec![]));
        log.push_into(&index);
    }
}

#[test]
fn a_shard_that_goes_away_while_it_is_open_is_named_and_made_anew() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Log::new(4096 * 5, MONTH / 6000);
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    log.push_into(&index);
    for file in files(dir.path()) {
        fs::write(&file, b"something else").expect("written");
        let damaged = match index.search(&query(&[], 0..=u64::MAX)).and_then(|_| index.check(0)) {
            Err(IndexError::Damaged(path)) => path,
            Err(other) => panic!("{other}"),
            // A reader that is open may not notice.
            Ok(_) => file.clone(),
        };
        index.discard(&damaged).expect("discarded");
        index.discard(&file).expect("discarded");
        log.fill_gaps(&index);
        check_all(&index, &log);
    }
}

/// Every byte of a shard, one at a time: a changed one is harmless, or a check names the shard.
#[test]
fn no_flipped_byte_hides_an_entry() {
    let dir = tempfile::tempdir().expect("folder");
    let mut log = Log::new(4096, 1);
    log.rows.iter_mut().for_each(|row| row.terms.truncate(1));
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    log.push_into(&index);
    drop(index);
    let file = files(dir.path()).remove(0);
    // One file holds all of it once its log is folded in, which the last one to close it does.
    assert!(!file.with_extension("db-wal").exists());
    let good = fs::read(&file).expect("read");
    let mut named = 0;
    // Steps that meet every kind of byte; all of them take minutes.
    let steps = (0..good.len()).step_by(211).chain(0..100).chain(4096..4160).filter(|byte| *byte < good.len());
    for byte in steps {
        let mut bad = good.clone();
        bad[byte] ^= 0x41;
        fs::write(&file, &bad).expect("written");
        let index = match Index::open(dir.path(), key(1), "test") {
            Ok(index) => index,
            Err(IndexError::Database { .. }) => {
                named += 1;
                continue;
            }
            Err(other) => panic!("byte {byte}: {other}"),
        };
        if index.next() == 0 {
            named += 1;
            continue;
        }
        match index.check(0) {
            Ok(_) => {
                all_pages(&index, &log, query(&[&[("purpose", &[1])]], 0..=u64::MAX));
            }
            Err(IndexError::Damaged(_) | IndexError::Database { .. }) => named += 1,
            Err(other) => panic!("byte {byte}: {other}"),
        }
    }
    assert!(named > 50, "{named}");
}

#[test]
fn a_row_that_is_missing_or_says_another_time_is_noticed_by_the_check() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Log::new(4096, 1);
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    log.push_into(&index);
    assert!(index.check(0).expect("sound"));
    assert!(!index.check(1).expect("no second shard"));
    drop(index);
    let file = files(dir.path()).remove(0);
    let database = rusqlite::Connection::open(&file).expect("opens");
    let term = key(1).term("case", &3000_u64.to_le_bytes());
    assert_eq!(database.execute("DELETE FROM terms WHERE term = ?1", [term.0]).expect("deleted"), 1);
    drop(database);
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    assert!(matches!(index.check(0), Err(IndexError::Damaged(damaged)) if damaged == file));
    index.discard(&file).expect("discarded");
    log.fill_gaps(&index);
    assert!(index.check(0).expect("sound"));
    drop(index);
    let database = rusqlite::Connection::open(&file).expect("opens");
    database.execute("UPDATE blocks SET first_at = 1, last_at = 1", []).expect("changed");
    drop(database);
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    assert!(matches!(index.check(0), Err(IndexError::Damaged(_))));
}

#[test]
fn a_search_that_runs_out_of_time_says_where_to_go_on() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Log::new(4096 * 5, MONTH / 4096);
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    log.push_into(&index);
    let late = Query { until: Instant::now(), ..query(&[&[("case", &0_u64.to_le_bytes())]], 0..=u64::MAX) };
    assert!(index.search(&late).expect("searched").next.is_some());
    assert_eq!(all_pages(&index, &log, late), 1);
}

#[test]
fn nothing_on_disk_shows_what_was_indexed() {
    let dir = tempfile::tempdir().expect("folder");
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    let secret = b"fin:5K7QX2O";
    let row = Row { at: 1, spot: Spot::default(), terms: vec![index.key().term("subject", secret)], same: Vec::new() };
    (0..4096).for_each(|_| index.push(row.clone()).expect("pushed"));
    for file in files(dir.path()) {
        let bytes = fs::read(file).expect("read");
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}

#[test]
fn searches_see_every_pushed_entry_while_blocks_are_written() {
    let dir = tempfile::tempdir().expect("folder");
    let log = Log::new(4096 * 3 + 17, MONTH / 6000);
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| log.push_into(&index));
        while !pushing.is_finished() {
            let known = index.next();
            let page = index.search(&Query { limit: 1, ..query(&[], 0..=u64::MAX) }).expect("searched");
            assert!(page.hits.first().map_or(0, |hit| hit.index + 1) >= known);
        }
    });
}

#[test]
fn one_person_s_identities_lead_to_each_other_and_outlive_a_restart() {
    let dir = tempfile::tempdir().expect("folder");
    let mut log = Log::new(4096 + 10, 1);
    let person = |number: u8| Identity([number; 16]);
    log.rows[5].same = vec![person(1), person(2), person(3)];
    log.rows[6].same = vec![person(1), person(2)];
    log.rows[4100].same = vec![person(3), person(4)];
    let check = |index: &Index| {
        let same = |number| {
            let mut same = index.same(person(number)).expect("looked");
            same.sort();
            same
        };
        assert_eq!(same(1), [person(2), person(3)]);
        assert_eq!(same(3), [person(1), person(2), person(4)]);
        assert_eq!(same(4), [person(3)]);
        assert_eq!(same(9), []);
    };
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    log.push_into(&index);
    check(&index);
    drop(index);
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    assert_eq!(index.next(), 4096);
    log.push_into(&index);
    check(&index);
    drop(index);
    // What is damaged or missing in it is noticed, at a start or where it is used, and made anew with all blocks.
    let database = || rusqlite::Connection::open(dir.path().join("identities.db")).expect("opens");
    for change in
        ["DELETE FROM pairs WHERE own = (SELECT min(own) FROM pairs)", "UPDATE pairs SET sealed = zeroblob(44)", "DELETE FROM counted"]
    {
        assert!(database().execute(change, []).expect("changed") > 0);
        let index = Index::open(dir.path(), key(1), "test").expect("opens");
        assert_eq!(index.next(), 0, "{change}");
        log.push_into(&index);
        check(&index);
        database().execute("UPDATE pairs SET sealed = zeroblob(44)", []).expect("changed");
        let Err(IndexError::Damaged(damaged)) = index.same(person(1)) else { panic!("it opens") };
        index.discard(&damaged).expect("discarded");
        assert_eq!(index.gaps(), [Gap(0..4096)]);
        log.fill_gaps(&index);
        check(&index);
    }
    // Without its identities a block is not whole.
    fs::remove_file(dir.path().join("identities.db")).expect("removed");
    let index = Index::open(dir.path(), key(1), "test").expect("opens");
    assert_eq!(index.next(), 0);
    log.push_into(&index);
    check(&index);
}
