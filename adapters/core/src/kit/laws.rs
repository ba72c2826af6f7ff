//! The laws of [`Call`]: what every adapter keeps, whatever its protocol. One list, on which every adapter
//! is tried; a new adapter passes it before anything else is said of it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::server::{Reply, Seen, Server};
use crate::{Call, CallError, CallErrorKind, Context, Question, SecretText, Sent};

/// How long a law waits for what must come, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a line may stay open that nobody waits for any more.
const SOON: Duration = Duration::from_secs(5);
/// A deadline that must strike.
const SHORT: Duration = Duration::from_millis(400);
/// What an answer without end grows to where nobody stops it, in bytes.
const FLOOD_BYTES: usize = 64 << 20;
/// The blanks of which it consists.
const FLOOD_PIECE: usize = 64 << 10;

/// An adapter under trial.
pub struct Trial<'a> {
    /// The certificate of a source that the adapter trusts, under the name `localhost`; without ALPN.
    pub tls: Arc<ServerConfig>,
    /// That of one which it does not.
    pub foreign: Arc<ServerConfig>,
    /// The adapter over a transport to an address.
    pub adapter: &'a dyn Fn(&str) -> Arc<dyn Call>,
    /// A question that it takes.
    pub question: Question,
    /// A text of the question that names a person.
    pub identifier: &'a str,
    /// A right answer to a request: the header lines, each ending in CR LF, and the body.
    pub answer: fn(&Seen) -> (String, Vec<u8>),
}

impl fmt::Debug for Trial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").field("question", &self.question).finish_non_exhaustive()
    }
}

macro_rules! laws {
    ($($variant:ident = $says:literal;)+) => {
        /// One law.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Law {
            $(#[doc = $says] $variant,)+
        }

        impl Law {
            /// Every law.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// What it says.
            #[must_use]
            pub fn says(self) -> &'static str {
                match self { $(Self::$variant => $says,)+ }
            }
        }
    };
}

laws! {
    Answers = "A right answer is handed on: its status and the bytes of its body.";
    WritesWhatItSends = "What `write` gives is what `call` sends: method, path and body, without I/O.";
    SameIdAgain = "A question that is repeated in one exchange is the same question, under the same ids.";
    DeadlinePassed = "After the deadline nothing is sent.";
    EndsWhenHung = "A source that never answers is given up at the deadline.";
    EndsWhenDripping = "An answer that comes in drops is given up at the deadline.";
    BoundsTheBody = "No more of an answer is read than the transport's limit.";
    AsksOnce = "A lost line is an error, and the question is not sent again.";
    FollowsNothing = "A redirect is not followed.";
    ChecksTheCertificate = "To a source with a certificate of another authority nothing is sent.";
    SaysWhenUnsent = "A source that is not there was not asked, and the error says so.";
    RefusesOtherMedia = "A success of another media type is no answer.";
    RefusesOtherQuestions = "A question of another protocol is refused, and nothing is sent.";
    EndsWhenDropped = "A caller that goes away leaves no call under way.";
    IsSilent = "No error shows an address, a body or an identifier.";
}

/// A law that is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub law: Law,
    /// What happened instead.
    pub why: String,
}

impl Trial<'_> {
    /// Tries these laws, one after the other. Gives those that are not kept. [`Law::IsSilent`] is about the errors
    /// of those before it.
    pub async fn run(&self, laws: &[Law]) -> Vec<Broken> {
        let mut broken = Vec::new();
        let mut errors = Vec::new();
        for law in laws {
            if let Err(why) = self.keeps(*law, &mut errors).await {
                broken.push(Broken { law: *law, why });
            }
        }
        broken
    }

    async fn keeps(&self, law: Law, errors: &mut Vec<CallError>) -> Result<(), String> {
        match law {
            Law::Answers => {
                let answer = self.answer;
                let server = self.serve(move |seen| whole(answer, seen)).await?;
                let wire = self.ask(&server, PATIENCE).await.map_err(|error| format!("{error}"))?;
                let (_, body) = server.seen().first().map(self.answer).ok_or("nothing was sent")?;
                expect(wire.status == 200 && wire.body == body, "the answer is not the one that was given")
            }
            Law::WritesWhatItSends => {
                let answer = self.answer;
                let server = self.serve(move |seen| whole(answer, seen)).await?;
                let context = context(PATIENCE);
                let adapter = (self.adapter)(&server.url());
                let written = adapter.write(&self.question, &context).map_err(|error| format!("it writes nothing: {error}"))?;
                adapter.call(&self.question, &context).await.map_err(|error| format!("{error}"))?;
                let seen = server.seen();
                let [seen] = seen.as_slice() else { return Err(format!("{} requests were sent", seen.len())) };
                let line = format!("{} {} HTTP/1.1", written.method, written.path_and_query.expose());
                expect(seen.line() == line, "another request line is sent")?;
                // A nonce of WS-Security is another one each time, and so is the body that holds it.
                let same_length = written.body.as_ref().map_or(0, |body| body.len()) == seen.body.len();
                expect(same_length, "another body is sent")
            }
            Law::SameIdAgain => {
                let server = self.serve(|_| Reply::Cut(Vec::new())).await?;
                let context = context(PATIENCE);
                let adapter = (self.adapter)(&server.url());
                for _ in 0..2 {
                    errors.extend(adapter.call(&self.question, &context).await.err());
                }
                let seen = server.seen();
                let [one, two] = seen.as_slice() else { return Err(format!("{} requests were sent", seen.len())) };
                let ids = |seen: &Seen| {
                    seen.head.matches(&context.exchange_id.to_string()).count() + count(&seen.body, &context.exchange_id.to_string())
                };
                expect(
                    one.line() == two.line() && ids(one) == ids(two) && one.body.len() == two.body.len(),
                    "the repetition is another question",
                )
            }
            Law::DeadlinePassed => {
                let server = self.serve(|_| Reply::Hang).await?;
                let error = self.fails(&server, Duration::ZERO, errors).await?;
                expect(error.kind() == &CallErrorKind::Deadline && error.sent() == Sent::No && server.seen().is_empty(), &said(&error))
            }
            Law::EndsWhenHung => {
                let server = self.serve(|_| Reply::Hang).await?;
                self.late(&server, errors).await
            }
            Law::EndsWhenDripping => {
                let answer = self.answer;
                let server = self.serve(move |seen| Reply::Drip(head(answer, seen, "content-length: 60000\r\n"))).await?;
                self.late(&server, errors).await
            }
            Law::BoundsTheBody => {
                let answer = self.answer;
                let flood = move |seen: &Seen| Reply::Flood(head(answer, seen, ""), vec![b' '; FLOOD_PIECE], FLOOD_BYTES);
                let server = self.serve(flood).await?;
                let error = self.fails(&server, PATIENCE, errors).await?;
                expect(error.kind() == &CallErrorKind::TooLarge, &said(&error))?;
                expect(server.flooded.load(Ordering::SeqCst) < FLOOD_BYTES, "all of it was read")
            }
            Law::AsksOnce => {
                let server = self.serve(|_| Reply::Cut(Vec::new())).await?;
                let error = self.fails(&server, PATIENCE, errors).await?;
                expect(error.kind() == &CallErrorKind::Reset && error.sent() == Sent::Maybe, &said(&error))?;
                expect(server.seen().len() == 1, "the question was sent again")
            }
            Law::FollowsNothing => {
                let away = |_: &Seen| Reply::with("307 Temporary Redirect", "location: /elsewhere\r\n", "");
                let server = self.serve(away).await?;
                let error = self.fails(&server, PATIENCE, errors).await?;
                expect(error.kind() == &CallErrorKind::Status(307), &said(&error))?;
                expect(server.seen().len() == 1, "the redirect was followed")
            }
            Law::ChecksTheCertificate => {
                let answer = self.answer;
                let server = self.serve_with(&self.foreign, move |seen| whole(answer, seen)).await?;
                let error = self.fails(&server, PATIENCE, errors).await?;
                expect(error.kind() == &CallErrorKind::Tls && error.sent() == Sent::No && server.seen().is_empty(), &said(&error))
            }
            Law::SaysWhenUnsent => {
                let free = self.serve(|_| Reply::Hang).await?.url();
                let error =
                    (self.adapter)(&free).call(&self.question, &context(PATIENCE)).await.err().ok_or("nobody is there, and it answered")?;
                errors.push(error.clone());
                expect(error.kind() == &CallErrorKind::Connect && error.sent() == Sent::No, &said(&error))
            }
            Law::RefusesOtherMedia => {
                let server = self.serve(|_| Reply::answer("200 OK", "application/octet-stream", "{}")).await?;
                let error = self.fails(&server, PATIENCE, errors).await?;
                expect(error.kind() == &CallErrorKind::ContentType && error.sent() == Sent::Maybe, &said(&error))
            }
            Law::RefusesOtherQuestions => {
                let server = self.serve(|_| Reply::Hang).await?;
                let adapter = (self.adapter)(&server.url());
                let other = match &self.question {
                    Question::Soap { .. } => {
                        Question::Rest { method: http::Method::GET, path_and_query: SecretText::from("/x"), body: None }
                    }
                    Question::Rest { .. } | Question::LookUp { .. } => {
                        Question::Soap { action: None, body: bytes::Bytes::from_static(b"<x/>") }
                    }
                };
                let error = adapter.call(&other, &context(PATIENCE)).await.err().ok_or("it was answered")?;
                let is_ours = matches!(error.kind(), CallErrorKind::Question(_)) && error.sent() == Sent::No;
                errors.push(error.clone());
                expect(is_ours && server.seen().is_empty(), &said(&error))
            }
            Law::EndsWhenDropped => {
                let release = Arc::new(Notify::new());
                let held = Arc::clone(&release);
                let server = self.serve(move |_| Reply::After(Arc::clone(&held), Box::new(Reply::Hang))).await?;
                let adapter = (self.adapter)(&server.url());
                let (context, mut count) = (context(PATIENCE), server.count());
                tokio::select! {
                    _ = adapter.call(&self.question, &context) => return Err("it was answered".to_owned()),
                    read = count.wait_for(|read| *read > 0) => drop(read),
                }
                // What the source writes to now reaches nobody: the line is closed.
                release.notify_one();
                let ended = async {
                    while server.ended.load(Ordering::SeqCst) == 0 {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                };
                tokio::time::timeout(SOON, ended).await.map_err(|_| "the line stays open".to_owned())
            }
            Law::IsSilent => {
                let shown = errors
                    .iter()
                    .map(all_text)
                    .find(|text| [self.identifier, "https:", "localhost", "127.0.0.1"].iter().any(|secret| text.contains(secret)));
                expect(!errors.is_empty(), "no error was seen")?;
                shown.map_or(Ok(()), |text| Err(format!("an error says: {text}")))
            }
        }
    }

    async fn serve(&self, reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Result<Server, String> {
        self.serve_with(&self.tls, reply).await
    }

    async fn serve_with(&self, tls: &Arc<ServerConfig>, reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Result<Server, String> {
        Server::start(Arc::clone(tls), move |_, seen| reply(seen)).await.map_err(|error| error.to_string())
    }

    async fn ask(&self, server: &Server, patience: Duration) -> Result<crate::WireAnswer, CallError> {
        (self.adapter)(&server.url()).call(&self.question, &context(patience)).await
    }

    /// The error of a call that must fail.
    async fn fails(&self, server: &Server, patience: Duration, errors: &mut Vec<CallError>) -> Result<CallError, String> {
        match tokio::time::timeout(PATIENCE * 2, self.ask(server, patience)).await {
            Err(_) => Err("it does not end".to_owned()),
            Ok(Ok(wire)) => Err(format!("it gives an answer of status {}", wire.status)),
            Ok(Err(error)) => {
                errors.push(error.clone());
                Ok(error)
            }
        }
    }

    async fn late(&self, server: &Server, errors: &mut Vec<CallError>) -> Result<(), String> {
        let began = Instant::now();
        let error = self.fails(server, SHORT, errors).await?;
        expect(error.kind() == &CallErrorKind::Deadline, &said(&error))?;
        expect((SHORT..PATIENCE).contains(&began.elapsed()), "it does not end at the deadline")
    }
}

fn context(patience: Duration) -> Context<'static> {
    Context {
        exchange_id: Uuid::from_u128(7),
        repeat_key: Uuid::from_u128(9),
        official: "AZ-0001",
        case: "c-2026-000042",
        deadline: Instant::now() + patience,
    }
}

fn expect(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

fn said(error: &CallError) -> String {
    format!("the error is {:?}, sent {:?}", error.kind(), error.sent())
}

fn whole(answer: fn(&Seen) -> (String, Vec<u8>), seen: &Seen) -> Reply {
    let (headers, body) = answer(seen);
    Reply::with("200 OK", &headers, body)
}

fn head(answer: fn(&Seen) -> (String, Vec<u8>), seen: &Seen, more: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{}{more}\r\n", answer(seen).0).into_bytes()
}

fn count(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

/// Everything that an error can be made to say.
fn all_text(error: &CallError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(source) = next {
        text.push_str(&format!(" {source} {source:?}"));
        next = source.source();
    }
    text
}
