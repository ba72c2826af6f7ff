//! CALL: the only door to the providers. The adapters are private to this file and are entered with
//! a [`Journalled`] intent alone, so that no question can leave before it is durable in the journal.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adapter_core::{
    Call, CallError, CallErrorKind, Context, HttpVersions, Identity, Question, SecretText, Sent, Transport, TransportOptions, WireAnswer,
};
use adapter_files::{Files, LookUp};
use adapter_rest::{ApiKey, OAuth2, Paging, Poll, Rest, RestConfig};
use adapter_soap::{Addressing, Basic, PasswordKind, Soap, SoapConfig, SoapVersion, UsernameToken};
use adapter_xroad::{Dialect, Member, RequestHash, XroadConfig, XroadRest, XroadSoap};
use anyhow::Context as _;
use mapping::{Plan, Protocol};
use model::contract::{Retry, ServiceEffect};
use model::{InstanceId, ProviderId, Service, ServiceId};

use crate::config::{Config, PasswordType, ProviderConfig, XroadDialect, XroadRequestHash};
use crate::data::Active;
use crate::feeds::Feeds;
use crate::record::{Intent, Journalled};
use crate::sources;

/// Longest wait for a connection to a provider.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Most unused connections kept to a provider: as many as may well be in use at once. A handshake costs
/// more processor time than all the rest of an exchange, and beyond this number every one is made anew.
const IDLE_CONNECTIONS_MAX: usize = 256;

/// The connections to the providers, one transport for each instance. They outlive a reload of data or keys, and
/// with them their open connections.
#[derive(Debug)]
pub struct Transports {
    peers: HashMap<(ProviderId, InstanceId), Arc<Transport>>,
    feeds: Arc<Feeds>,
}

impl Transports {
    /// Makes a transport for every instance of the configured providers.
    ///
    /// # Errors
    /// When a certificate or key cannot be read or used; the message names provider and instance.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        let mut transports = HashMap::new();
        for (id, instance, provider) in config.instances() {
            let transport = transport(provider).with_context(|| format!("provider {id}, instance {instance}"))?;
            transports.insert((id.clone(), instance.clone()), Arc::new(transport));
        }
        Ok(Self { peers: transports, feeds: Arc::new(Feeds::new(config)) })
    }

    /// What sources deliver as files.
    #[must_use]
    pub fn feeds(&self) -> &Arc<Feeds> {
        &self.feeds
    }

    /// Reads our certificates and keys towards the providers again. Calls in flight keep theirs.
    ///
    /// # Errors
    /// When one cannot be read or used: that instance and those after it keep the old one.
    pub fn reload_identities(&self, config: &Config) -> anyhow::Result<()> {
        for (id, instance, provider) in config.instances() {
            let Some(transport) = self.peers.get(&(id.clone(), instance.clone())) else { continue };
            let whose = || format!("provider {id}, instance {instance}");
            let identity = identity(provider).with_context(whose)?;
            transport.replace_identity(&identity).with_context(whose)?;
        }
        Ok(())
    }
}

/// One adapter per service and instance of its source, over one transport per instance.
#[derive(Debug, Default)]
pub struct Calls {
    adapters: HashMap<ServiceId, HashMap<InstanceId, Arc<dyn Call>>>,
}

impl Calls {
    /// Builds the adapters of all services whose provider is configured. A service without one is
    /// answered `UNAVAILABLE`, and the catalogue says so.
    ///
    /// # Errors
    /// When the configuration lacks what a protocol needs, or a write cannot be told from its repetition; the message names
    /// the service.
    pub fn build(config: &Config, transports: &Transports, active: &Active) -> anyhow::Result<Self> {
        let mut adapters = HashMap::new();
        for (service, plan) in &active.plans {
            if let Protocol::Files(_) = plan.protocol() {
                if let Some(feed) = transports.feeds.get(service) {
                    let feed: Arc<dyn LookUp> = Arc::clone(feed) as _;
                    let of_service = sources::instance_of(service).map(|instance| (instance, Arc::new(Files::new(feed)) as Arc<dyn Call>));
                    adapters.insert(service.clone(), of_service.into_iter().collect());
                }
                continue;
            }
            let mut of_service = HashMap::new();
            for (id, instance, provider) in config.instances().filter(|(id, ..)| id.as_str() == service.provider()) {
                let Some(transport) = transports.peers.get(&(id.clone(), instance.clone())) else { continue };
                if let Some(contract) = active.snapshot.services.get(service) {
                    anyhow::ensure!(
                        can_be_repeated(contract, provider, plan),
                        "service {service}, instance {instance}: {WRITE_WITHOUT_KEY}; accepted: {WRITE_WITH_KEY}"
                    );
                }
                let adapter = adapter(Arc::clone(transport), provider, service, plan.protocol());
                of_service.insert(instance.clone(), adapter.with_context(|| format!("service {service}, instance {instance}"))?);
            }
            if !of_service.is_empty() {
                adapters.insert(service.clone(), of_service);
            }
        }
        Ok(Self { adapters })
    }

    /// Whether the service can be asked at all.
    #[must_use]
    pub fn can_ask(&self, service: &ServiceId) -> bool {
        self.adapters.contains_key(service)
    }

    /// Sends one question. Takes the durable intent as its ticket, which says where it goes: to the service and instance
    /// that the journal names, and nowhere else.
    ///
    /// # Errors
    /// What went wrong on the way, without address, body or identifier.
    pub async fn perform(&self, ticket: &Journalled<Intent>, question: &Question, context: &Context<'_>) -> Result<WireAnswer, CallError> {
        match self.adapters.get(ticket.service()).and_then(|instances| instances.get(ticket.instance())) {
            Some(adapter) => adapter.call(question, context).await,
            None => Err(CallError::new(CallErrorKind::Question("no provider is configured for the service"), Sent::No)),
        }
    }
}

/// What is wrong where a write is sent again without a key.
pub(crate) const WRITE_WITHOUT_KEY: &str = "it writes, and is sent again without a key by which the source could tell a repetition";
/// What is accepted in its place.
pub(crate) const WRITE_WITH_KEY: &str = "`idempotency_key: true` at the provider, or `retry: never` in the contract";

/// Whether a service may be sent again as its contract says: a write only where the source can tell by a key that it is the
/// same one.
pub(crate) fn can_be_repeated(service: &Service, provider: &ProviderConfig, plan: &Plan) -> bool {
    let keyed = provider.idempotency_key && matches!(plan.protocol(), Protocol::RestJson { .. } | Protocol::XroadRest { .. });
    service.effect == ServiceEffect::Read || service.retry == Retry::Never || keyed
}

fn transport(provider: &ProviderConfig) -> anyhow::Result<Transport> {
    let defaults = TransportOptions::new(provider.url.clone(), read(&provider.server_ca)?, Some(identity(provider)?));
    let body_bytes_max = provider.answer_bytes_max;
    // Security servers of X-Road speak HTTP/1.1 alone.
    let http = if provider.xroad.is_some() { HttpVersions::Http1 } else { HttpVersions::default() };
    let options =
        TransportOptions { connect_timeout: CONNECT_TIMEOUT, idle_connections_max: IDLE_CONNECTIONS_MAX, body_bytes_max, http, ..defaults };
    Ok(Transport::new(options)?)
}

fn identity(provider: &ProviderConfig) -> anyhow::Result<Identity> {
    Ok(Identity::new(read(&provider.certificate)?, read(&provider.key)?))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The one list of protocols the gateway speaks.
fn adapter(
    transport: Arc<Transport>,
    provider: &ProviderConfig,
    service: &ServiceId,
    protocol: &Protocol,
) -> anyhow::Result<Arc<dyn Call>> {
    Ok(match protocol {
        Protocol::RestJson { paging } => Arc::new(Rest::new(transport, rest_config(provider, paging.as_ref())?)?),
        Protocol::Soap11 => Arc::new(Soap::new(transport, soap_config(SoapVersion::V11, provider, service)?)?),
        Protocol::Soap12 => Arc::new(Soap::new(transport, soap_config(SoapVersion::V12, provider, service)?)?),
        Protocol::XroadSoap { service_code, service_version } => {
            Arc::new(XroadSoap::new(transport, xroad_config(provider, service_code, service_version.as_deref())?)?)
        }
        Protocol::Files(_) => anyhow::bail!("files are looked up, and nobody is asked for them"),
        Protocol::XroadRest { service_code } => Arc::new(XroadRest::new(transport, xroad_config(provider, service_code, None)?)?),
    })
}

fn rest_config(provider: &ProviderConfig, paging: Option<&mapping::Paging>) -> anyhow::Result<RestConfig> {
    let oauth2 = provider.oauth2.as_ref().map(|file| -> anyhow::Result<OAuth2> {
        Ok(OAuth2 {
            token_path: file.token_path.clone(),
            client_id: file.client_id.clone(),
            client_secret: secret(&file.client_secret_file)?,
            scope: file.scope.clone(),
        })
    });
    let api_key = provider.api_key.as_ref().map(|files| -> anyhow::Result<ApiKey> {
        let next = files.next_key_file.as_deref().map(secret).transpose()?;
        Ok(ApiKey { header: files.header.clone(), key: secret(&files.key_file)?, next })
    });
    Ok(RestConfig {
        oauth2: oauth2.transpose()?,
        poll: provider.poll_every.map(|interval| Poll { interval }),
        idempotency_key: provider.idempotency_key,
        api_key: api_key.transpose()?,
        paging: paging.map(|paging| Paging {
            items: paging.items.to_string(),
            cursor: paging.cursor.to_string(),
            query: paging.query.to_string(),
            pages_max: paging.pages_max.into(),
            expired: paging.expired,
            same: paging.same.iter().map(ToString::to_string).collect(),
        }),
    })
}

fn soap_config(version: SoapVersion, provider: &ProviderConfig, service: &ServiceId) -> anyhow::Result<SoapConfig> {
    let path = provider.paths.get(service.service()).unwrap_or(&provider.path).clone();
    let addressing = provider.ws_addressing.then(|| Addressing { to: format!("{}{path}", provider.url) });
    let security = provider.ws_security.as_ref().map(|file| -> anyhow::Result<UsernameToken> {
        let kind = match file.password_type {
            PasswordType::Digest => PasswordKind::Digest,
            PasswordType::Text => PasswordKind::Text,
        };
        Ok(UsernameToken { username: file.username.clone(), password: secret(&file.password_file)?, kind })
    });
    let basic = provider
        .basic_auth
        .as_ref()
        .map(|file| -> anyhow::Result<Basic> { Ok(Basic { username: file.username.clone(), password: secret(&file.password_file)? }) });
    Ok(SoapConfig { version, path, addressing, security: security.transpose()?, basic: basic.transpose()? })
}

/// A secret is the first line of its file.
fn secret(path: &Path) -> anyhow::Result<SecretText> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let line = text.lines().next().unwrap_or_default();
    anyhow::ensure!(!line.is_empty(), "{} has no secret in its first line", path.display());
    Ok(line.into())
}

/// Stable code of a call's error, for the journal and the metrics.
#[must_use]
pub fn code(error: &CallError) -> &'static str {
    match error.kind() {
        CallErrorKind::Connect => "connect",
        CallErrorKind::Tls => "tls",
        CallErrorKind::Deadline => "deadline",
        CallErrorKind::Reset => "reset",
        CallErrorKind::TooLarge => "too-large",
        CallErrorKind::ContentType => "content-type",
        CallErrorKind::Status(_) => "status",
        CallErrorKind::Malformed => "malformed",
        CallErrorKind::RouteUnavailable { .. } => "route-unavailable",
        CallErrorKind::RouteRefused { .. } => "route-refused",
        CallErrorKind::CredentialsRefused => "credentials-refused",
        CallErrorKind::TokenUnavailable => "token-unavailable",
        CallErrorKind::NoSnapshot => "no-snapshot",
        CallErrorKind::Question(_) => "question",
    }
}

fn xroad_config(provider: &ProviderConfig, service_code: &str, service_version: Option<&str>) -> anyhow::Result<XroadConfig> {
    let Some(xroad) = &provider.xroad else { anyhow::bail!("the mapping wants X-Road, but the provider has no `xroad` identifiers") };
    let member =
        |[class, code, subsystem]: &[String; 3]| Member { class: class.clone(), member: code.clone(), subsystem: subsystem.clone() };
    let mut dialect = match xroad.dialect {
        XroadDialect::V7_7 => Dialect::xroad_7_7(),
        XroadDialect::V7_8 => Dialect::xroad_7_8(),
        XroadDialect::Uxp => Dialect::uxp(),
    };
    if let Some(request_hash) = xroad.request_hash {
        let request_hash = match request_hash {
            XroadRequestHash::Required => RequestHash::Required,
            XroadRequestHash::IfPresent => RequestHash::IfPresent,
            XroadRequestHash::Ignored => RequestHash::Ignored,
        };
        dialect.soap_request_hash = request_hash;
        dialect.rest_request_hash = request_hash;
    }
    Ok(XroadConfig {
        instance: xroad.instance.clone(),
        client: member(&xroad.client),
        provider: member(&xroad.provider),
        service_code: service_code.to_owned(),
        service_version: service_version.map(str::to_owned),
        idempotency_key: provider.idempotency_key,
        dialect,
    })
}
