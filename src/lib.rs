//! Qovşaq: the interoperability gateway as a library; `main.rs` is a thin shell over it.
//!
//! Read in this order: [`pipeline`] (one question's way, on one page), then the steps it names
//! ([`identify`], [`envelope`], [`record`], [`call`], [`answer`]), then [`dossier`], [`api`] and
//! [`gateway`]. `docs/ARCHITECTURE.md` has the whole house.

pub mod answer;
pub mod api;
pub mod cache;
pub mod call;
pub mod change;
pub mod citizen;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod console;
pub mod conversation;
pub mod data;
pub mod demo;
pub mod dossier;
pub mod drift;
pub mod envelope;
pub mod exchange;
pub mod explanation;
pub mod export;
pub mod feeds;
pub mod flight;
pub mod gateway;
pub mod idempotency;
pub mod identify;
pub mod jws;
pub mod kit;
pub mod limit;
pub mod listener;
pub mod logs;
pub mod metrics;
pub mod obtained;
pub mod officials;
pub mod ops;
pub mod pipeline;
pub mod pki;
pub mod premises;
pub mod problem;
pub mod quarantine;
pub mod reading;
pub mod recall;
pub mod record;
pub mod refusal;
pub mod rights;
pub mod rule;
pub mod scenario;
pub mod search;
pub mod sources;
pub mod store_access;
pub mod tls;
pub mod trace;
pub mod trace_context;
pub mod watch;
pub mod wire;
