//! What a program did, system call by system call, from strace's output.
//!
//! The order of lines is the order of stops: strace writes a call's beginning while the calling
//! thread stands still before it, and its end while it stands still after it. So bytes are taken to
//! leave where their call *begins*, and an entry to be durable where its flush has *ended*.

use std::collections::HashMap;

/// System calls that the tests look at.
pub(crate) const CALLS: &str = "trace=write,writev,sendto,sendmsg,recvfrom,read,pwrite64,fdatasync,fsync,fallocate";

/// A TLS record as its header gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// 22 handshake, 20 change of cipher, 23 encrypted.
    pub(crate) kind: u8,
    /// Length without the header.
    pub(crate) bytes: usize,
}

/// Something that matters to the journal's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A frame of the journal is durable: its number.
    Durable(u64),
    /// A flush of a journal segment failed.
    FlushFailed,
    /// TLS records leave on a socket.
    Sent { local: u16, remote: u16, records: Vec<Record> },
    /// Bytes arrived on a socket.
    Received { local: u16, remote: u16, bytes: usize },
}

/// A call that has begun and not ended.
struct Begun {
    name: String,
    target: String,
    rest: String,
}

/// Reads a trace made with [`CALLS`], `-f -yy -xx`.
pub(crate) fn read(text: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let mut begun: HashMap<&str, Begun> = HashMap::new();
    // Frames written to a segment and not flushed yet.
    let mut written: HashMap<String, Vec<u64>> = HashMap::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            if let Some(call) = begun.remove(thread) {
                end(&call, resumed, &mut written, &mut events);
            }
            continue;
        }
        let Some((name, arguments)) = rest.split_once('(') else { continue };
        let call = Begun { name: name.to_owned(), target: target(arguments), rest: arguments.to_owned() };
        begin(&call, &mut events);
        if arguments.ends_with("<unfinished ...>") {
            begun.insert(thread, call);
        } else {
            end(&call, arguments, &mut written, &mut events);
        }
    }
    events
}

/// What the descriptor of a call stands for: a path (in hex, as every text) or a pair of addresses.
fn target(arguments: &str) -> String {
    let inside = arguments.split_once('<').map(|(_, rest)| rest).unwrap_or_default();
    if inside.starts_with("\\x") {
        let path = hex(inside.split('>').next().unwrap_or_default());
        return String::from_utf8_lossy(&path).into_owned();
    }
    inside.split_once("]>").map(|(pair, _)| format!("{pair}]")).unwrap_or_default()
}

fn begin(call: &Begun, events: &mut Vec<Event>) {
    if !matches!(call.name.as_str(), "write" | "writev" | "sendto" | "sendmsg") {
        return;
    }
    if let Some((local, remote)) = ports(&call.target) {
        events.push(Event::Sent { local, remote, records: records(&call.rest) });
    }
}

fn end(call: &Begun, tail: &str, written: &mut HashMap<String, Vec<u64>>, events: &mut Vec<Event>) {
    let result = tail.rsplit_once(" = ").map(|(_, result)| result.trim()).unwrap_or_default();
    let in_journal = call.target.ends_with(".seg");
    match call.name.as_str() {
        "pwrite64" if in_journal => written.entry(call.target.clone()).or_default().extend(frame_number(&call.rest)),
        "fdatasync" | "fsync" if in_journal => {
            let frames = written.remove(&call.target).unwrap_or_default();
            // strace adds `(DELAYED)` or `(INJECTED)` to what it has meddled with.
            if result.split(' ').next() == Some("0") {
                events.extend(frames.into_iter().map(Event::Durable));
            } else {
                events.push(Event::FlushFailed);
            }
        }
        "recvfrom" | "read" => {
            if let (Some((local, remote)), Ok(bytes @ 1..)) = (ports(&call.target), result.parse()) {
                events.push(Event::Received { local, remote, bytes });
            }
        }
        _ => {}
    }
}

/// `TCP:[127.0.0.1:40200->127.0.0.1:22111]`
fn ports(target: &str) -> Option<(u16, u16)> {
    let (local, remote) = target.strip_prefix("TCP:[")?.strip_suffix(']')?.split_once("->")?;
    let port = |address: &str| address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    Some((port(local)?, port(remote)?))
}

/// The records that a sending call hands over. Each buffer begins with a record; one that strace cuts
/// short ends in a record's body, so that only whole headers are read.
fn records(arguments: &str) -> Vec<Record> {
    let mut records = Vec::new();
    // Every second piece between quotation marks is a buffer.
    for mut rest in arguments.split('"').skip(1).step_by(2).map(hex) {
        while let [kind, _, _, high, low, ..] = *rest {
            let bytes = usize::from(u16::from_be_bytes([high, low]));
            records.push(Record { kind, bytes });
            rest.drain(..rest.len().min(5 + bytes));
        }
    }
    records
}

fn hex(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

/// The number in a frame's header: after the magic, eight bytes little-endian; strace shows 32 bytes in hex.
fn frame_number(arguments: &str) -> Option<u64> {
    let bytes = hex(arguments.split('"').nth(1)?);
    let number = bytes.strip_prefix(b"QVSQFRM1")?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*number))
}

#[test]
fn lines_of_a_trace_are_read() {
    let text = concat!(
        "7 pwrite64(21<\\x2f\\x30\\x2e\\x73\\x65\\x67>, \"\\x51\\x56\\x53\\x51\\x46\\x52\\x4d\\x31\\x0c\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x1d\"..., 1024, 28672) = 1024\n",
        "7 fdatasync(21<\\x2f\\x30\\x2e\\x73\\x65\\x67> <unfinished ...>\n",
        "8 writev(23<TCP:[127.0.0.1:40000->127.0.0.1:9501]>, [{iov_base=\"\\x14\\x03\\x03\\x00\\x01\\x01\", iov_len=6}, {iov_base=\"\\x17\\x03\\x03\\x01\\x02\\xff\"..., iov_len=263}], 2) = 269\n",
        "8 recvfrom(24<TCP:[127.0.0.1:8443->127.0.0.1:51000]>,  <unfinished ...>\n",
        "7 <... fdatasync resumed>) = 0\n",
        "8 <... recvfrom resumed>\"\\x17\"..., 4096, 0, NULL, NULL) = 355\n",
        "8 sendto(24<TCP:[127.0.0.1:8443->127.0.0.1:51000]>, \"\\x17\\x03\\x03\\x00\\x5e\\x00\"..., 99, MSG_NOSIGNAL, NULL, 0) = 99\n",
    );
    let expected = [
        Event::Sent { local: 40_000, remote: 9501, records: vec![Record { kind: 20, bytes: 1 }, Record { kind: 23, bytes: 258 }] },
        Event::Durable(0x010c),
        Event::Received { local: 8443, remote: 51_000, bytes: 355 },
        Event::Sent { local: 8443, remote: 51_000, records: vec![Record { kind: 23, bytes: 94 }] },
    ];
    assert_eq!(read(text), expected);
}

/// What a TLS 1.3 record adds to its content: the content's type and the tag.
pub(crate) const RECORD_OVERHEAD: usize = 17;
/// The shortest call: a GET in compressed headers with an identifier in its path.
const CALL_BYTES_MIN: usize = 33;

/// Tells what may carry a call on connections to providers from what cannot: the TLS handshake, the
/// two records that begin HTTP/2 (preface; settings and window), and what is too short to name
/// anybody (acknowledgements, window updates, pings, resets, alerts).
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Application records by our own port.
    begun: HashMap<u16, usize>,
}

impl Calls {
    pub(crate) fn may_carry_one(&mut self, local: u16, records: &[Record]) -> bool {
        // Either begins a flight of the handshake.
        if records.first().is_none_or(|first| first.kind != 23) {
            self.begun.insert(local, 0);
            return false;
        }
        let begun = self.begun.entry(local).or_default();
        let mut carries = false;
        for record in records {
            *begun += 1;
            let content = record.bytes.saturating_sub(RECORD_OVERHEAD);
            carries |= content >= CALL_BYTES_MIN && !(*begun <= 2 && content <= 72);
        }
        carries
    }
}
