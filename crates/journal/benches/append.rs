//! Measures appends (benchmark B5): entries of 600 bytes, 1,024 waiters, every acknowledgement durable.
//!
//! `cargo run --release -p journal --example append -- DIR [ENTRIES] [WAITERS]` prints wall time, CPU
//! per entry of the whole process (waiters included), and beside it the same bytes written and
//! flushed in batches of the same mean size by a bare loop: the physical limit.
#![expect(clippy::print_stdout, reason = "printing the result is its job")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use journal::journal::Options;
use journal::{Entry, Journal, Origin, Role, SigningKey, Urgency};

const BODY_BYTES: usize = 588;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("usage: append DIR [ENTRIES] [WAITERS]")?);
    let entries: u64 = arguments.next().map_or(Ok(500_000), |text| text.parse())?;
    let waiters: u64 = arguments.next().map_or(Ok(1024), |text| text.parse())?;

    let options = Options::new(dir.clone(), Origin::new("bench.local")?);
    let (journal, _) = Journal::open(options, SigningKey::from_seed(&[1; 32]))?;
    let first = journal.size();
    let left = Arc::new(AtomicU64::new(entries));
    let frames = Arc::new(AtomicU64::new(0));
    let (cpu, wall) = (cpu_time()?, Instant::now());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..waiters {
        let (journal, left, frames) = (journal.clone(), Arc::clone(&left), Arc::clone(&frames));
        tasks.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let entry = Entry { kind: 1, role: Role::Single, body: vec![7; BODY_BYTES], payload: Vec::new() };
                let durable = journal.append(entry, Urgency::Now, None).expect("room").durable().await;
                if durable.index() + 1 == durable.head().size() {
                    frames.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    let (cpu, wall) = (cpu_time()?.saturating_sub(cpu), wall.elapsed());
    let written = journal.size() - first;
    assert_eq!(written, entries, "every entry is in the log");
    journal.close().await?;
    let batch = entries.div_ceil(frames.load(Ordering::Relaxed).max(1));
    print("journal", entries, wall, cpu);

    let mut file = File::create(dir.join("bare"))?;
    let bytes = vec![7; usize::try_from(batch)? * 640];
    let (cpu, wall) = (cpu_time()?, Instant::now());
    for _ in 0..entries / batch {
        file.write_all(&bytes)?;
        file.sync_data()?;
    }
    print("bare", entries / batch * batch, wall.elapsed(), cpu_time()?.saturating_sub(cpu));
    fs::remove_file(dir.join("bare"))?;
    println!("mean batch {batch} entries");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print(what: &str, entries: u64, wall: Duration, cpu: Duration) {
    let per_entry = cpu.as_secs_f64() * 1e6 / entries as f64;
    println!("{what}: {:.0} entries/s, {per_entry:.2} µs CPU per entry", entries as f64 / wall.as_secs_f64());
}

/// User and system time of this process, in steps of 10 ms (proc(5), fields 14 and 15 of `stat`).
fn cpu_time() -> Result<Duration, Box<dyn std::error::Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.get(11).ok_or("stat")?.parse::<u64>()? + fields.get(12).ok_or("stat")?.parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
