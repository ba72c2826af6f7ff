//! The configuration file `qovsaq.yaml`: raw shape with its documentation, and the checked form the
//! rest of the program sees. Paths are relative to the file. Secrets are files, never inline.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use adapter_files::signature::CERTIFICATES_BYTES_MAX;
use adapter_files::{SftpOptions, Signers as FeedSigners, sftp};
use http::HeaderName;
use journal::VerifyingKey;
use model::contract::Assurance;
use model::document::Document;
use model::{InstanceId, Problems, Profile, ProviderId, ServiceId};
use schemars::JsonSchema;
use serde::Deserialize;
use store::quality::Bounds;
use zeroize::Zeroizing;

use crate::change::bundle::SIGNERS_MIN;
use crate::change::{Bundles, Signer, Signers};
use crate::envelope::is_official;
use crate::jws::AUDIENCE;
use crate::limit::{BreakerOptions, InstanceOptions};
use crate::logs::Base;
use crate::officials::{KeySource, OfficialsConfig};
use crate::watch::Sensitivity;
use crate::watch::probe::ProbesConfig;

/// The raw shape of `qovsaq.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// `test` (synthetic persons only) or `production` (real persons only, assertions mandatory).
    profile: Profile,
    /// Base name of this node's logs, part of every receipt: 1 to 55 of a-z, digits, `.` and `-`. The log of a half-year
    /// is named `<origin>.<year>h<1 or 2>`.
    origin: String,
    /// Folders with the deployment's data. Left out, the data are those of the active bundle alone. Together with `change`
    /// they are served by nobody: they are compared with the active bundle, and a difference is an alarm.
    #[serde(default)]
    data: Option<RawData>,
    /// Signed bundles, which the data are served from. The production profile needs them (Decree 634, 3.4, 6.2.5).
    #[serde(default)]
    change: Option<RawChange>,
    /// Where the gateway listens.
    listeners: RawListeners,
    /// The journal.
    journal: RawJournal,
    /// Key files.
    keys: RawKeys,
    /// What else outlives a restart.
    store: RawStore,
    /// Answers kept in memory.
    #[serde(default)]
    cache: RawCache,
    /// The identity provider of citizens, without whose assertions nobody is told who used his data.
    #[serde(default)]
    citizens: Option<RawCitizens>,
    /// The identity provider of officials, whose assertions the production profile demands.
    #[serde(default)]
    officials: Option<RawOfficials>,
    /// The register of rights: who may act in which role, and who uses the console. Required in production.
    #[serde(default)]
    access: Option<RawAccess>,
    /// Where data that break their contract are kept, and how many.
    #[serde(default)]
    quality: RawQuality,
    /// How each provider is reached, by provider code.
    #[serde(default)]
    providers: BTreeMap<String, RawProvider>,
    /// Where the files of sources arrive, and what is kept of them.
    #[serde(default)]
    files: Option<RawFiles>,
    /// How the sources' work is watched over.
    #[serde(default)]
    watch: RawWatch,
}

/// How the sources' work is watched over.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawWatch {
    /// The file with the sums of each hour; default `watch.sqlite` in the store's folder.
    #[serde(default)]
    path: Option<PathBuf>,
    /// Failed questions in a row that make an outage, 1 to 1000; default 3.
    #[serde(default)]
    failures_min: Option<u32>,
    /// Least time from the first failure to an outage, `0s` to `10m`; default `2s`. What is over before is none.
    #[serde(default)]
    lasting: Option<String>,
    /// Answers in a row that end an outage, 1 to 1000; default 2. One is enough where nothing fails for half a minute.
    #[serde(default)]
    answers_min: Option<u32>,
    /// Asks the questions of `contracts/probes.yaml`; default: nobody does.
    #[serde(default)]
    probes: Option<RawProbes>,
}

/// Who answers for probes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawProbes {
    /// An official who holds the probes' role, such as `AZ-0001`.
    responsible: String,
}

/// Files that sources deliver.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawFiles {
    /// Folder of the sealed snapshots.
    dir: PathBuf,
    /// Folder of their keys, outside `dir`: a key that is destroyed here ends its snapshot wherever a copy lies.
    keys: PathBuf,
    /// How often files are looked for, `1s` to `24h`; default `5m`.
    #[serde(default)]
    poll_every: Option<String>,
    /// Where the files of each service arrive, by `provider/service`.
    feeds: BTreeMap<String, RawFeed>,
}

/// Where the files of a service arrive.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawFeed {
    /// A folder that the source writes into, best on an encrypted disk of its own. A loaded file is deleted from it.
    #[serde(default)]
    landing: Option<PathBuf>,
    /// A folder on the source's SFTP server instead. What lies there stays.
    #[serde(default)]
    sftp: Option<RawSftp>,
    /// File of the certificates (`OpenPGP`, armoured) whose keys may sign the files, where the source signs. Their
    /// fingerprints were compared with the source before.
    #[serde(default)]
    signed_by: Option<PathBuf>,
}

/// A folder on an SFTP server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawSftp {
    /// `host:port`.
    address: String,
    /// The server's key, as `ssh-keyscan` writes it behind the host: `ssh-ed25519 AAAA…`. No other server is talked to.
    host_key: String,
    /// Our account there.
    user: String,
    /// File of our private key, as `ssh-keygen` writes it without a passphrase; Ed25519 or ECDSA.
    key: PathBuf,
    /// The folder; the account's own unless said otherwise.
    #[serde(default)]
    folder: Option<String>,
}

/// The quarantine of data that break their contract, and what is counted about their quality.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawQuality {
    /// The database file; default `quality.db` beside the store's.
    #[serde(default)]
    path: Option<PathBuf>,
    /// Folder of the keys that are destroyed when what they seal expires; default `quarantine` beside the key table. It
    /// must not be copied together with `path`.
    #[serde(default)]
    keys: Option<PathBuf>,
    /// How many days a broken answer is kept, 1 to 365; default 30.
    #[serde(default)]
    keep_days: Option<u16>,
    /// How many broken answers of one source wait at once, 1 to 10000; default 500.
    #[serde(default)]
    items_max: Option<usize>,
    /// How many bytes those of one source take, 65536 to 1073741824; default 16 MiB.
    #[serde(default)]
    bytes_max: Option<u64>,
}

/// Folders with the deployment's data.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawData {
    /// Folder of contracts.
    contracts: PathBuf,
    /// Folder of mappings.
    mappings: PathBuf,
}

/// Signed bundles of data.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawChange {
    /// Folder of the bundles and of the pointer to the active one; the gateway writes into it.
    bundles: PathBuf,
    /// Who may sign bundles, by name: two different persons sign each.
    signers: BTreeMap<String, RawSigner>,
}

/// Somebody who may sign bundles.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawSigner {
    /// File of the public key, the text `name+hash+key` that `qovsaq bundle key` writes.
    key: PathBuf,
    /// Whether he signs no more: what he has signed stays signed, and he signs nothing new. Default false.
    #[serde(default)]
    former: bool,
}

/// Where the gateway listens.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawListeners {
    /// Subsystems, over mutual TLS.
    internal: RawTlsListener,
    /// Auditors and operators, over TLS with a certificate each. Default: nobody.
    #[serde(default)]
    console: Option<RawTlsListener>,
    /// Operations (`/livez`, `/readyz`, `/metrics`), plain: a loopback or otherwise closed address.
    ops: RawPlainListener,
}

/// The identity provider of citizens.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawCitizens {
    /// Its name in assertions, the claim `iss`.
    issuer: String,
    /// Its public keys, a JWK set with `kid` and `alg` (`EdDSA` or `ES256`) for each.
    keys: PathBuf,
}

/// The identity provider of officials: an OpenID Connect provider.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawOfficials {
    /// Its name in assertions, the claim `iss`; with `ca` its address too, where its keys are found by discovery.
    issuer: String,
    /// Authorities of its TLS certificate, PEM. Either this or `keys`.
    #[serde(default)]
    ca: Option<PathBuf>,
    /// Its public keys as a file, a JWK set with a `kid` for each, read again at a reload. Either this or `ca`.
    #[serde(default)]
    keys: Option<PathBuf>,
    /// Who assertions are for, the claim `aud`; default `qovsaq`.
    #[serde(default)]
    audience: Option<String>,
    /// The claim with the official's number as consumers send it, such as `employee_number`.
    official_claim: String,
    /// The level of assurance that each value of the claim `acr` stands for; any other value is refused.
    levels: BTreeMap<String, Assurance>,
    /// How often its keys are fetched, `10s` to `24h`; default `10m`.
    #[serde(default)]
    refresh_every: Option<String>,
    /// How long fetched keys serve while it does not answer, from `refresh_every` to `168h`; default `24h`.
    #[serde(default)]
    keys_age_max: Option<String>,
}

/// The register of rights, which is kept in the store.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawAccess {
    /// File with the accounts and rights to begin with. Read once, when no register is kept yet.
    initial: PathBuf,
}

/// A listener with mutual TLS.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawTlsListener {
    /// Address and port, such as `0.0.0.0:8443`.
    address: String,
    /// The listener's certificate chain, PEM.
    certificate: PathBuf,
    /// Its private key, PEM.
    key: PathBuf,
    /// Certificates that may sign clients' certificates, PEM.
    client_ca: PathBuf,
    /// Revocation list of those, PEM.
    crl: PathBuf,
    /// How long an overdue revocation list is still used, with an alarm; default `0s`: not at all.
    #[serde(default)]
    crl_grace: Option<String>,
}

/// A plain listener.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawPlainListener {
    /// Address and port, such as `127.0.0.1:9090`.
    address: String,
}

/// The journal.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawJournal {
    /// Folder of the log's files.
    dir: PathBuf,
    /// Size of a segment file in bytes, 65536 to 1073741824; default 64 MiB. The journal sets at least
    /// two of them aside, so that a disk that fills up is noticed while there is still room for outcomes.
    #[serde(default)]
    segment_bytes: Option<u64>,
    /// Folder of the journal's fence, its last checkpoint outside `dir`: best on another disk, and shared where another
    /// machine might be started with a copy. Default: beside `dir`, with `-fence` behind its name.
    #[serde(default)]
    fence: Option<PathBuf>,
}

/// Key files; made on first start where they are missing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawKeys {
    /// The node key that wraps epoch keys; 32 bytes, mode 0600.
    node: PathBuf,
    /// Folder of the keys that sign tree heads: `<log>.key` for each half-year's log, mode 0600, and beside it
    /// `<log>.pub`, what others verify with.
    signing: PathBuf,
    /// Folder of wrapped epoch keys; outside the journal's folder, so that keys can be destroyed.
    table: PathBuf,
}

/// What else outlives a restart.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawStore {
    /// The database file with the cases, sealed row by row.
    path: PathBuf,
}

/// Answers kept in memory, encrypted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawCache {
    /// Most memory it takes, in bytes; 0 keeps nothing; default 64 MiB.
    #[serde(default)]
    bytes_max: Option<u64>,
}

/// How a provider is reached. One that consists of several bodies has `instances` in place of `url`, and what stands beside
/// them holds for each that does not say otherwise.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawProvider {
    /// Base address, such as `https://taxes.example:9504`.
    #[serde(default)]
    url: Option<String>,
    /// The bodies that the provider consists of, by a code of our own such as `sabail`.
    #[serde(default)]
    instances: Option<BTreeMap<String, RawInstance>>,
    /// Path that SOAP messages are posted to, such as `/gelir`; default `/`.
    #[serde(default)]
    path: Option<String>,
    /// Other paths for some services, by service name.
    #[serde(default)]
    paths: BTreeMap<String, String>,
    /// Certificates that may sign the provider's certificate, PEM.
    #[serde(default)]
    server_ca: Option<PathBuf>,
    /// Our client certificate towards this provider, PEM.
    #[serde(default)]
    certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(default)]
    key: Option<PathBuf>,
    /// X-Road identifiers, where the way leads through an X-Road security server.
    #[serde(default)]
    xroad: Option<RawXroad>,
    /// Whether the SOAP service wants WS-Addressing headers; default false.
    #[serde(default)]
    ws_addressing: bool,
    /// WS-Security `UsernameToken`, where the SOAP service wants one.
    #[serde(default)]
    ws_security: Option<RawUsernameToken>,
    /// HTTP basic authentication, where the SOAP service wants that.
    #[serde(default)]
    basic_auth: Option<RawBasicAuth>,
    /// OAuth 2.0 client credentials, where the REST service wants access tokens.
    #[serde(default)]
    oauth2: Option<RawOAuth2>,
    /// A key in a header of every request, where the REST service wants one.
    #[serde(default)]
    api_key: Option<RawApiKey>,
    /// Where REST answers may come later (202, then asked for at `Location`): the pause between two looks,
    /// such as `500ms`.
    #[serde(default)]
    poll_every: Option<String>,
    /// Whether the REST service takes an `Idempotency-Key`; over X-Road it goes with what is not a GET; default false.
    #[serde(default)]
    idempotency_key: bool,
    /// Largest answer accepted, in bytes; default 1 MiB.
    #[serde(default)]
    answer_bytes_max: Option<usize>,
    /// Bounds of the traffic to it.
    #[serde(default)]
    limits: RawLimits,
}

/// One of the bodies that a provider consists of. What it leaves out is as the provider says.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawInstance {
    /// The keys whose questions go to it, such as territory codes; each key to one instance alone.
    serves: Vec<String>,
    /// Base address.
    url: String,
    /// Certificates that may sign its certificate, PEM.
    #[serde(default)]
    server_ca: Option<PathBuf>,
    /// Our client certificate towards it, PEM.
    #[serde(default)]
    certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(default)]
    key: Option<PathBuf>,
    /// X-Road identifiers.
    #[serde(default)]
    xroad: Option<RawXroad>,
    /// OAuth 2.0 client credentials.
    #[serde(default)]
    oauth2: Option<RawOAuth2>,
    /// Bounds of the traffic to it.
    #[serde(default)]
    limits: Option<RawLimits>,
}

/// Bounds of the traffic to one provider instance. The agreed rate stands in the contracts.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    /// Calls under way at once; default 64.
    #[serde(default)]
    calls_max: Option<u32>,
    /// When it is given a rest.
    #[serde(default)]
    breaker: RawBreaker,
}

/// When a provider is given a rest: too many failed or slow calls in a window.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawBreaker {
    /// Calls in the window before anything is judged.
    #[serde(default)]
    calls_min: Option<u32>,
    /// Percentage of failed calls that opens it.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    failed_percent: Option<u32>,
    /// Percentage of slow calls that opens it.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    slow_percent: Option<u32>,
    /// From how long a call is slow, such as `5s`.
    #[serde(default)]
    slow_after: Option<String>,
    /// How long the first rest lasts; each further one twice as long.
    #[serde(default)]
    open_for: Option<String>,
}

/// A WS-Security `UsernameToken`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawUsernameToken {
    /// The user.
    username: String,
    /// File with the password, mode 0600.
    password_file: PathBuf,
    /// `digest` (the default) or `text`.
    #[serde(default)]
    password_type: PasswordType,
}

/// How a password is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PasswordType {
    /// A digest over nonce, time and password.
    #[default]
    Digest,
    /// The password itself.
    Text,
}

/// HTTP basic authentication.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawBasicAuth {
    /// The user, without a colon.
    username: String,
    /// File with the password, mode 0600.
    password_file: PathBuf,
}

/// A key that names us to a REST service.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawApiKey {
    /// The header it goes in, such as `X-Api-Key`.
    header: String,
    /// File with the key in use, mode 0600.
    key_file: PathBuf,
    /// File with the key that follows it: used from the first question on for which the source refuses the one in use by
    /// 401 and takes this one. So nobody waits where a source changes its keys without a word.
    #[serde(default)]
    next_key_file: Option<PathBuf>,
}

/// OAuth 2.0 client credentials.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawOAuth2 {
    /// Path of the token endpoint, such as `/oauth2/token`.
    token_path: String,
    /// Our name there.
    client_id: String,
    /// File with our secret, mode 0600.
    client_secret_file: PathBuf,
    /// What to ask for, where the provider wants it named.
    #[serde(default)]
    scope: Option<String>,
}

/// X-Road identifiers of both sides.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawXroad {
    /// The X-Road instance, such as `AZ`.
    instance: String,
    /// Our subsystem.
    client: RawMember,
    /// The provider's subsystem.
    provider: RawMember,
    /// What the security server speaks: `7.7`, `7.8` (the default) or `uxp`.
    #[serde(default)]
    dialect: XroadDialect,
    /// What is made of the request hash: `required`, `if-present` or `ignored`; default as the dialect does.
    #[serde(default)]
    request_hash: Option<XroadRequestHash>,
}

/// A security server's dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum XroadDialect {
    /// X-Road up to 7.7.
    #[serde(rename = "7.7")]
    V7_7,
    /// X-Road 7.8.
    #[default]
    #[serde(rename = "7.8")]
    V7_8,
    /// UXP, as Trembita has it.
    #[serde(rename = "uxp")]
    Uxp,
}

/// What is made of the request hash in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum XroadRequestHash {
    /// It must be there and be that of our request.
    Required,
    /// Where it is there it must be that of our request.
    IfPresent,
    /// Nothing.
    Ignored,
}

/// One X-Road subsystem.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawMember {
    /// Member class, such as `GOV`.
    class: String,
    /// Member code.
    code: String,
    /// Subsystem code.
    subsystem: String,
}

impl RawInstance {
    /// The instance as a provider of its own: what it leaves out is as all of them have it.
    fn within(&self, class: &RawProvider) -> RawProvider {
        RawProvider {
            url: Some(self.url.clone()),
            instances: None,
            server_ca: self.server_ca.clone().or_else(|| class.server_ca.clone()),
            certificate: self.certificate.clone().or_else(|| class.certificate.clone()),
            key: self.key.clone().or_else(|| class.key.clone()),
            xroad: self.xroad.clone().or_else(|| class.xroad.clone()),
            oauth2: self.oauth2.clone().or_else(|| class.oauth2.clone()),
            limits: self.limits.clone().unwrap_or_else(|| class.limits.clone()),
            ..class.clone()
        }
    }
}

/// The checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from.
    pub file: PathBuf,
    /// Test or production.
    pub profile: Profile,
    /// Base name of this node's logs.
    pub base: Base,
    /// Folders of contracts and of mappings; at least one of these and `change` is there.
    pub data: Option<DataFolders>,
    /// Signed bundles, which the data are served from where they are configured.
    pub change: Option<Bundles>,
    /// The subsystems' listener.
    pub internal: TlsListener,
    /// The identity provider of citizens: its name and the file of its keys.
    pub citizens: Option<(String, PathBuf)>,
    /// The identity provider of officials.
    pub officials: Option<OfficialsConfig>,
    /// The listener of the gateway's own people.
    pub console: Option<TlsListener>,
    /// File of the initial register of rights; none where no register is kept.
    pub access: Option<PathBuf>,
    /// Address of the operations listener.
    pub ops: SocketAddr,
    /// Folder of the journal.
    pub journal_dir: PathBuf,
    /// Size of a segment file of the journal, in bytes; the journal checks its range.
    pub journal_segment_bytes: Option<u64>,
    /// Folder of the journal's fence.
    pub journal_fence: PathBuf,
    /// The node key's file.
    pub node_key: PathBuf,
    /// Folder of the logs' signing keys.
    pub signing_keys: PathBuf,
    /// Folder of wrapped epoch keys.
    pub key_table: PathBuf,
    /// The store's file.
    pub store: PathBuf,
    /// Most memory that kept answers take, in bytes.
    pub cache_bytes_max: u64,
    /// The quarantine.
    pub quality: QualityConfig,
    /// How each provider is reached: each of its instances. One that is one body has one, of its own code.
    pub providers: BTreeMap<ProviderId, BTreeMap<InstanceId, ProviderConfig>>,
    /// Files that sources deliver.
    pub files: Option<FilesConfig>,
    /// How the sources' work is watched over.
    pub watch: WatchConfig,
}

impl Config {
    /// Every instance of every provider.
    pub fn instances(&self) -> impl Iterator<Item = (&ProviderId, &InstanceId, &ProviderConfig)> {
        self.providers.iter().flat_map(|(id, instances)| instances.iter().map(move |(instance, provider)| (id, instance, provider)))
    }

    /// The instances of one provider.
    pub fn instances_of<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = (&'a InstanceId, &'a ProviderConfig)> {
        self.providers.iter().filter(move |(id, _)| id.as_str() == provider).flat_map(|(_, instances)| instances)
    }
}

/// How the sources' work is watched over, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchConfig {
    /// The file with the sums of each hour.
    pub path: PathBuf,
    /// When failures make an outage.
    pub sensitivity: Sensitivity,
    /// Who answers for probes; none where none are asked.
    pub probes: Option<ProbesConfig>,
}

/// Files that sources deliver, checked.
#[derive(Debug, Clone)]
pub struct FilesConfig {
    /// Folder of the sealed snapshots.
    pub dir: PathBuf,
    /// Folder of their keys.
    pub keys: PathBuf,
    /// How often files are looked for.
    pub poll_every: Duration,
    /// Where the files of each service arrive.
    pub feeds: BTreeMap<ServiceId, FeedConfig>,
}

/// Where the files of a service arrive, checked.
#[derive(Debug, Clone)]
pub struct FeedConfig {
    /// The place.
    pub place: FeedPlace,
    /// Who may sign the files.
    pub signers: Option<FeedSigners>,
}

/// A place where files arrive.
#[derive(Debug, Clone)]
pub enum FeedPlace {
    /// A folder that the source writes into.
    Landing(PathBuf),
    /// A folder on the source's server.
    Sftp(Box<SftpOptions>),
}

/// Where the quarantine is, and its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityConfig {
    /// The database file.
    pub path: PathBuf,
    /// Folder of the keys of contents.
    pub keys: PathBuf,
    /// Bounds for each source.
    pub bounds: Bounds,
}

/// Folders with the deployment's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFolders {
    /// Folder of contracts.
    pub contracts: PathBuf,
    /// Folder of mappings.
    pub mappings: PathBuf,
}

/// A checked mutual-TLS listener.
#[derive(Debug, Clone)]
pub struct TlsListener {
    /// Where it listens.
    pub address: SocketAddr,
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Client CA, PEM.
    pub client_ca: PathBuf,
    /// Revocation list, PEM.
    pub crl: PathBuf,
    /// How long an overdue list is still used.
    pub crl_grace: Duration,
}

/// How one instance of a provider is reached, checked.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// The keys whose questions go to it; empty where the provider is one body.
    pub serves: Vec<Box<str>>,
    /// Base address.
    pub url: String,
    /// Path that SOAP messages are posted to.
    pub path: String,
    /// Other paths for some services, by service name.
    pub paths: BTreeMap<String, String>,
    /// CA of the provider's certificate, PEM.
    pub server_ca: PathBuf,
    /// Our client certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// X-Road identifiers.
    pub xroad: Option<Xroad>,
    /// Whether WS-Addressing headers are sent.
    pub ws_addressing: bool,
    /// WS-Security `UsernameToken`.
    pub ws_security: Option<UsernameTokenFile>,
    /// HTTP basic authentication.
    pub basic_auth: Option<BasicAuthFile>,
    /// OAuth 2.0 client credentials.
    pub oauth2: Option<OAuth2File>,
    /// A key in a header of every request.
    pub api_key: Option<ApiKeyFiles>,
    /// Pause between two looks for an answer that comes later.
    pub poll_every: Option<Duration>,
    /// Whether an `Idempotency-Key` is sent.
    pub idempotency_key: bool,
    /// Largest answer accepted, in bytes.
    pub answer_bytes_max: usize,
    /// Bounds of the traffic to it.
    pub limits: InstanceOptions,
}

/// A WS-Security `UsernameToken` whose password is in a file.
#[derive(Debug, Clone)]
pub struct UsernameTokenFile {
    /// The user.
    pub username: String,
    /// The password's file.
    pub password_file: PathBuf,
    /// How it is sent.
    pub password_type: PasswordType,
}

/// HTTP basic authentication whose password is in a file.
#[derive(Debug, Clone)]
pub struct BasicAuthFile {
    /// The user.
    pub username: String,
    /// The password's file.
    pub password_file: PathBuf,
}

/// A key that is in a file, and the one that may follow it.
#[derive(Debug, Clone)]
pub struct ApiKeyFiles {
    /// The header it goes in.
    pub header: HeaderName,
    /// The file of the key in use.
    pub key_file: PathBuf,
    /// The file of the one that follows it.
    pub next_key_file: Option<PathBuf>,
}

/// OAuth 2.0 client credentials whose secret is in a file.
#[derive(Debug, Clone)]
pub struct OAuth2File {
    /// Path of the token endpoint.
    pub token_path: String,
    /// Our name there.
    pub client_id: String,
    /// Our secret's file.
    pub client_secret_file: PathBuf,
    /// What to ask for.
    pub scope: Option<String>,
}

/// X-Road identifiers, checked.
#[derive(Debug, Clone)]
pub struct Xroad {
    /// Instance.
    pub instance: String,
    /// Our member class, member code and subsystem code.
    pub client: [String; 3],
    /// The provider's.
    pub provider: [String; 3],
    /// What the security server speaks.
    pub dialect: XroadDialect,
    /// What is made of the request hash; as the dialect does where none.
    pub request_hash: Option<XroadRequestHash>,
}

/// Memory of kept answers where the configuration names none: 64 MiB.
pub const CACHE_BYTES_MAX: u64 = 64 << 20;
/// Longest file of a signer's public key, in bytes.
const SIGNER_KEY_BYTES_MAX: u64 = 1024;
/// Longest file of a private SSH key, in bytes.
const SSH_KEY_BYTES_MAX: u64 = 16 << 10;
/// How often files are looked for where the configuration does not say.
const POLL_FILES_EVERY: Duration = Duration::from_mins(5);
/// Longest pause between two looks for an answer that comes later.
const POLL_MAX: Duration = Duration::from_secs(60);

/// How often an identity provider's keys are fetched where the configuration does not say.
const REFRESH_EVERY: Duration = Duration::from_mins(10);
/// How long fetched keys serve where the configuration does not say.
const KEYS_AGE_MAX: Duration = Duration::from_hours(24);

/// Largest answer accepted where the configuration names none: 1 MiB.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

impl Config {
    /// Reads and checks a file; every problem is added to `problems`.
    pub fn load(file: &Path, problems: &mut Problems) -> Option<Self> {
        let document = match Document::read(file) {
            Ok(document) => document,
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        };
        let raw: RawConfig = document.decode(problems)?;
        Checker { document: &document, base: file.parent().unwrap_or(Path::new(".")), problems, sound: true }.check(raw)
    }
}

struct Checker<'a> {
    document: &'a Document,
    base: &'a Path,
    problems: &'a mut Problems,
    sound: bool,
}

impl Checker<'_> {
    fn check(mut self, raw: RawConfig) -> Option<Config> {
        let base = Base::new(&raw.origin)
            .map_err(|error| self.refuse("/origin", "wrong-origin", &error.to_string(), "a-z, 0-9, '.' and '-'"))
            .ok();
        let internal = self.tls_listener("/listeners/internal", &raw.listeners.internal);
        let console = raw.listeners.console.as_ref().map(|console| self.tls_listener("/listeners/console", console));
        let ops = self.address("/listeners/ops/address", &raw.listeners.ops.address);
        let access = raw.access.as_ref().map(|raw| self.base.join(&raw.initial));
        if access.is_none() && raw.profile == Profile::Production {
            self.refuse(
                "/profile",
                "no-register-of-rights",
                "production needs a register of rights",
                "access: {initial: FILE}; nobody acts in a role that nobody gave him",
            );
        }
        let citizens = raw.citizens.as_ref().map(|raw| (raw.issuer.clone(), self.file("/citizens/keys", &raw.keys)));
        if raw.profile == Profile::Production && raw.officials.is_none() {
            self.refuse(
                "/profile",
                "no-officials",
                "the production profile demands officials' assertions, and nobody is configured whose assertions are believed",
                "a section `officials`, or the profile test",
            );
        }
        let officials = raw.officials.and_then(|raw| self.officials(raw));
        let mut providers = BTreeMap::new();
        for (code, provider) in &raw.providers {
            let at = format!("/providers/{code}");
            match ProviderId::new(code) {
                Ok(id) => {
                    let instances = self.instances(&at, &id, provider);
                    providers.insert(id, instances);
                }
                Err(error) => {
                    self.problems.push(self.document.problem_at_key(&at, "wrong-provider", error.to_string(), error.accepted));
                    self.sound = false;
                }
            }
        }
        let files = raw.files.as_ref().map(|raw| self.files(raw));
        let key_table = self.base.join(&raw.keys.table);
        let journal_dir = self.base.join(&raw.journal.dir);
        if key_table.starts_with(&journal_dir) {
            self.refuse(
                "/keys/table",
                "keys-inside-journal",
                "the key table lies inside the journal",
                "a folder outside the journal's, so that keys can be destroyed",
            );
        }
        let signing_keys = self.base.join(&raw.keys.signing);
        if signing_keys.is_file() {
            self.refuse(
                "/keys/signing",
                "not-a-folder",
                "signing keys stand in a folder, one for the log of each half-year, and this is a file",
                "a folder, such as keys/signing; keep the file with the log it has signed",
            );
        }
        let journal_fence = raw.journal.fence.map_or_else(|| beside(&journal_dir), |fence| self.base.join(fence));
        if journal_fence.starts_with(&journal_dir) {
            self.refuse(
                "/journal/fence",
                "fence-inside-journal",
                "the fence lies inside the journal",
                "a folder outside the journal's, so that an old copy of that is noticed",
            );
        }
        let store = self.base.join(&raw.store.path);
        let quality = self.quality(&raw.quality, &store, &key_table);
        let change = raw.change.as_ref().map(|raw| self.change(raw));
        let data = raw.data.map(|raw| DataFolders { contracts: self.base.join(raw.contracts), mappings: self.base.join(raw.mappings) });
        match (raw.profile, &change, &data) {
            (Profile::Production, None, _) => self.refuse(
                "/profile",
                "change-missing",
                "in production the data come from signed bundles, and none are configured",
                "change: {bundles: DIR, signers: {NAME: {key: FILE}, …}}",
            ),
            (Profile::Test, None, None) => {
                self.refuse(
                    "",
                    "data-missing",
                    "there are neither data nor bundles",
                    "data: {contracts: DIR, mappings: DIR}, or change: …",
                );
            }
            _ => {}
        }
        let store = self.base.join(raw.store.path);
        let watch = self.watch(&raw.watch, &store);
        if !self.sound {
            return None;
        }
        Some(Config {
            file: self.document.path.clone(),
            profile: raw.profile,
            base: base?,
            data,
            change,
            internal,
            console,
            citizens,
            officials,
            access,
            ops: ops?,
            journal_dir,
            journal_segment_bytes: raw.journal.segment_bytes,
            journal_fence,
            node_key: self.base.join(raw.keys.node),
            signing_keys,
            key_table,
            store,
            cache_bytes_max: raw.cache.bytes_max.unwrap_or(CACHE_BYTES_MAX),
            quality,
            providers,
            watch,
            files,
        })
    }

    fn files(&mut self, raw: &RawFiles) -> FilesConfig {
        let (dir, keys) = (self.base.join(&raw.dir), self.base.join(&raw.keys));
        if keys.starts_with(&dir) {
            self.refuse(
                "/files/keys",
                "keys-inside-snapshots",
                "the keys lie among the snapshots",
                "a folder outside the snapshots', so that no copy of those has them",
            );
        }
        let poll_every = raw.poll_every.as_ref().map_or(POLL_FILES_EVERY, |text| self.duration("/files/poll_every", text));
        if poll_every < Duration::from_secs(1) || poll_every > Duration::from_hours(24) {
            self.refuse("/files/poll_every", "out-of-range", "a bound outside the range", "1s to 24h");
        }
        let mut feeds = BTreeMap::new();
        for (service, feed) in &raw.feeds {
            let at = format!("/files/feeds/{}", model::document::escape(service));
            match ServiceId::new(service) {
                Ok(id) => {
                    let signers = feed.signed_by.as_ref().and_then(|file| self.feed_signers(&format!("{at}/signed_by"), file));
                    if let Some(place) = self.feed_place(&at, feed) {
                        feeds.insert(id, FeedConfig { place, signers });
                    }
                }
                Err(error) => {
                    self.problems.push(self.document.problem_at_key(&at, "wrong-service", error.to_string(), error.accepted));
                    self.sound = false;
                }
            }
        }
        FilesConfig { dir, keys, poll_every, feeds }
    }

    fn feed_place(&mut self, at: &str, raw: &RawFeed) -> Option<FeedPlace> {
        let sftp = match (&raw.landing, &raw.sftp) {
            (Some(landing), None) => return Some(FeedPlace::Landing(self.base.join(landing))),
            (None, Some(sftp)) => sftp,
            (None, None) | (Some(_), Some(_)) => {
                self.refuse(at, "one-place", "where the files arrive is not said, or twice", "either `landing`, or `sftp`");
                return None;
            }
        };
        let at = format!("{at}/sftp");
        let port = sftp.address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none() {
            self.refuse(&format!("{at}/address"), "wrong-address", "not a host with a port", "host:22");
        }
        let host_key = sftp::host_key(&sftp.host_key).map_err(|error| {
            self.refuse(&format!("{at}/host_key"), "wrong-ssh-key", &error.to_string(), "ssh-ed25519 AAAA…, or ecdsa-sha2-nistp256 AAAA…");
        });
        let path = self.file(&format!("{at}/key"), &sftp.key);
        let read = std::fs::File::open(&path).and_then(|file| std::io::read_to_string(file.take(SSH_KEY_BYTES_MAX)).map(Zeroizing::new));
        // A file that is not there has been told already.
        let key = read.map_err(drop).and_then(|text| {
            sftp::own_key(&text).map_err(|error| {
                let accepted = "a file that `ssh-keygen -t ed25519` wrote without a passphrase";
                self.refuse(&format!("{at}/key"), "wrong-ssh-key", &error.to_string(), accepted);
            })
        });
        let folder = sftp.folder.clone().unwrap_or_default();
        let (host_key, key) = (host_key.ok()?, key.ok()?);
        Some(FeedPlace::Sftp(Box::new(SftpOptions { address: sftp.address.clone(), host_key, user: sftp.user.clone(), key, folder })))
    }

    fn feed_signers(&mut self, at: &str, file: &Path) -> Option<FeedSigners> {
        let path = self.file(at, file);
        let mut armoured = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(CERTIFICATES_BYTES_MAX).read_to_end(&mut armoured));
        // A file that is not there has been told already.
        read.ok()?;
        let parsed = FeedSigners::parse(&armoured);
        let refuse = |error: adapter_files::NoSigners| {
            self.refuse(at, "wrong-certificate", &error.to_string(), "what `gpg --armor --export` writes of the source's certificates");
        };
        parsed.map_err(refuse).ok()
    }

    fn quality(&mut self, raw: &RawQuality, store: &Path, key_table: &Path) -> QualityConfig {
        let defaults = Bounds::default();
        let bounds = Bounds {
            items_max: raw.items_max.unwrap_or(defaults.items_max),
            bytes_max: raw.bytes_max.unwrap_or(defaults.bytes_max),
            keep_days: raw.keep_days.unwrap_or(defaults.keep_days),
        };
        if !(1..=10_000).contains(&bounds.items_max) {
            self.refuse("/quality/items_max", "out-of-range", "a bound outside the range", "1 to 10000 items");
        }
        if !(1 << 16..=1 << 30).contains(&bounds.bytes_max) {
            self.refuse("/quality/bytes_max", "out-of-range", "a bound outside the range", "65536 to 1073741824 bytes");
        }
        if !(1..=365).contains(&bounds.keep_days) {
            self.refuse("/quality/keep_days", "out-of-range", "a bound outside the range", "1 to 365 days");
        }
        let placed = |given: &Option<PathBuf>, default: PathBuf| given.as_ref().map_or(default, |path| self.base.join(path));
        let path = placed(&raw.path, store.with_file_name("quality.db"));
        let keys = placed(&raw.keys, key_table.with_file_name("quarantine"));
        if path.parent() == Some(&keys) || path == *store {
            let (message, accepted) = ("the keys or the store lie where the quarantine is", "places of their own for each");
            self.refuse("/quality", "quarantine-beside-keys", message, accepted);
        }
        QualityConfig { path, keys, bounds }
    }

    fn tls_listener(&mut self, at: &str, raw: &RawTlsListener) -> TlsListener {
        let address = self.address(&format!("{at}/address"), &raw.address);
        let crl_grace = match &raw.crl_grace {
            None => Duration::ZERO,
            Some(text) => self.duration(&format!("{at}/crl_grace"), text),
        };
        TlsListener {
            address: address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))),
            certificate: self.file(&format!("{at}/certificate"), &raw.certificate),
            key: self.file(&format!("{at}/key"), &raw.key),
            client_ca: self.file(&format!("{at}/client_ca"), &raw.client_ca),
            crl: self.file(&format!("{at}/crl"), &raw.crl),
            crl_grace,
        }
    }

    fn officials(&mut self, raw: RawOfficials) -> Option<OfficialsConfig> {
        let at = |key: &str| format!("/officials/{key}");
        let keys = match (&raw.ca, &raw.keys) {
            (Some(ca), None) => Some(KeySource::Discovery { ca: self.file(&at("ca"), ca) }),
            (None, Some(keys)) => Some(KeySource::File(self.file(&at("keys"), keys))),
            (Some(_), Some(_)) | (None, None) => {
                let message = "it is not said which of the two ways leads to the keys";
                self.refuse("/officials", "wrong-keys", message, "either `ca` (discovery) or `keys` (a file)");
                None
            }
        };
        if raw.ca.is_some() && !raw.issuer.starts_with("https://") {
            self.refuse(&at("issuer"), "not-https", "the address is not https", "https://host:port");
        }
        if raw.levels.is_empty() {
            self.refuse(
                &at("levels"),
                "no-levels",
                "no level is known, so no assertion would be taken",
                "values of acr with low, substantial or high",
            );
        }
        for key in ["iss", "sub", "aud", "azp", "iat", "exp", "nbf", "jti", "acr", "cnf", ""] {
            if raw.official_claim == key {
                self.refuse(
                    &at("official_claim"),
                    "wrong-claim",
                    "the claim has another meaning",
                    "a claim of its own, such as employee_number",
                );
            }
        }
        let mut span =
            |key: &str, text: &Option<String>, default: Duration| text.as_ref().map_or(default, |text| self.duration(&at(key), text));
        let refresh_every = span("refresh_every", &raw.refresh_every, REFRESH_EVERY);
        let keys_age_max = span("keys_age_max", &raw.keys_age_max, KEYS_AGE_MAX);
        if refresh_every < Duration::from_secs(10) || refresh_every > Duration::from_hours(24) {
            self.refuse(&at("refresh_every"), "out-of-range", "a bound outside the range", "10s to 24h");
        }
        if keys_age_max < refresh_every || keys_age_max > Duration::from_hours(168) {
            self.refuse(&at("keys_age_max"), "out-of-range", "a bound outside the range", "refresh_every to 168h");
        }
        Some(OfficialsConfig {
            issuer: raw.issuer,
            keys: keys?,
            audience: raw.audience.unwrap_or_else(|| AUDIENCE.to_owned()),
            official_claim: raw.official_claim,
            levels: raw.levels,
            refresh_every,
            keys_age_max,
        })
    }

    fn change(&mut self, raw: &RawChange) -> Bundles {
        let mut signers = Signers::new();
        for (name, signer) in &raw.signers {
            let at = format!("/change/signers/{name}/key");
            let path = self.file(&at, &signer.key);
            let read = std::fs::File::open(&path).and_then(|file| std::io::read_to_string(file.take(SIGNER_KEY_BYTES_MAX)));
            let key = read.ok().and_then(|text| VerifyingKey::parse(text.trim())).filter(|key| key.origin().as_str() == name);
            match key {
                None if !path.is_file() => {}
                None => self.refuse(
                    &at,
                    "wrong-signer-key",
                    "not the public key of a signer of this name",
                    "a file that `qovsaq bundle key` wrote for it",
                ),
                Some(key) if signers.values().any(|other: &Signer| other.key.key() == key.key()) => {
                    self.refuse(&at, "signer-key-twice", "the key belongs to another signer", "a key of his own for each person");
                }
                Some(key) => {
                    signers.insert(name.clone(), Signer { key, former: signer.former });
                }
            }
        }
        if raw.signers.values().filter(|signer| !signer.former).count() < SIGNERS_MIN {
            self.refuse(
                "/change/signers",
                "too-few-signers",
                "two different persons sign each bundle",
                "two or more signers who are not former",
            );
        }
        Bundles { dir: self.base.join(&raw.bundles), signers }
    }

    /// The one body that a provider is, or the bodies it consists of.
    fn instances(&mut self, at: &str, id: &ProviderId, raw: &RawProvider) -> BTreeMap<InstanceId, ProviderConfig> {
        let mut instances = BTreeMap::new();
        match (&raw.url, &raw.instances) {
            (Some(_), None) => {
                if let Ok(only) = InstanceId::new(id.as_str()) {
                    instances.insert(only, self.provider(at, raw, &[]));
                }
            }
            (None, Some(several)) => {
                let mut served: BTreeMap<&str, &str> = BTreeMap::new();
                for (name, instance) in several {
                    let at = format!("{at}/instances/{name}");
                    self.served(&at, name, instance, &mut served);
                    match InstanceId::new(name) {
                        // Journal and metrics name a source that is one body by its own code.
                        Ok(name) if name.as_str() == id.as_str() => {
                            self.refuse(&at, "wrong-instance", "one of several has the code of the source", "a code of its own");
                        }
                        Ok(name) => {
                            let own = self.provider(&at, &instance.within(raw), &instance.serves);
                            instances.insert(name, own);
                        }
                        Err(error) => {
                            self.problems.push(self.document.problem_at_key(&at, "wrong-instance", error.to_string(), error.accepted));
                            self.sound = false;
                        }
                    }
                }
            }
            (Some(_), Some(_)) | (None, None) => {
                let message = "it is not said whether the provider is one body or several";
                self.refuse(at, "one-or-several", message, "either `url`, or `instances`");
            }
        }
        instances
    }

    /// Each key leads to one instance, and to each instance leads one.
    fn served<'a>(&mut self, at: &str, name: &'a str, raw: &'a RawInstance, served: &mut BTreeMap<&'a str, &'a str>) {
        if raw.serves.is_empty() {
            let message = format!("no question would ever go to the instance {name}");
            self.refuse(&format!("{at}/serves"), "instance-without-key", &message, "the keys that it serves");
        }
        for (place, key) in raw.serves.iter().enumerate() {
            if let Some(other) = served.insert(key, name) {
                let message = format!("questions of `{key}` go to the instance {other} already");
                self.refuse(&format!("{at}/serves/{place}"), "key-served-twice", &message, "each key at one instance, once");
            }
        }
    }

    /// A file that must be named, by the instance or beside all instances.
    fn needed_file(&mut self, at: &str, key: &str, path: Option<&PathBuf>) -> PathBuf {
        match path {
            Some(path) => self.file(&format!("{at}/{key}"), path),
            None => {
                self.refuse(at, "missing-key", &format!("the key `{key}` is missing"), &format!("`{key}`: a PEM file"));
                PathBuf::new()
            }
        }
    }

    fn provider(&mut self, at: &str, raw: &RawProvider, serves: &[String]) -> ProviderConfig {
        let url = raw.url.as_deref().unwrap_or_default();
        if !url.starts_with("https://") {
            self.refuse(&format!("{at}/url"), "not-https", "the address is not https", "https://host:port");
        }
        let bytes_max = raw.answer_bytes_max.unwrap_or(ANSWER_BYTES_MAX);
        if bytes_max == 0 || bytes_max > 64 << 20 {
            self.refuse(&format!("{at}/answer_bytes_max"), "out-of-range", "a bound outside the range", "1 to 67108864 bytes");
        }
        for (service, path) in &raw.paths {
            if !path.starts_with('/') {
                self.refuse(&format!("{at}/paths/{service}"), "wrong-path", "the path does not begin with /", "such as /gelir");
            }
        }
        let poll_every = raw.poll_every.as_ref().map(|text| self.duration(&format!("{at}/poll_every"), text));
        if poll_every.is_some_and(|pause| pause < Duration::from_millis(10) || pause > POLL_MAX) {
            self.refuse(&format!("{at}/poll_every"), "out-of-range", "a bound outside the range", "10ms to 60s");
        }
        let member = |raw: &RawMember| [raw.class.clone(), raw.code.clone(), raw.subsystem.clone()];
        ProviderConfig {
            serves: serves.iter().map(|key| key.as_str().into()).collect(),
            url: url.trim_end_matches('/').to_owned(),
            path: raw.path.clone().unwrap_or_else(|| "/".to_owned()),
            paths: raw.paths.clone(),
            server_ca: self.needed_file(at, "server_ca", raw.server_ca.as_ref()),
            certificate: self.needed_file(at, "certificate", raw.certificate.as_ref()),
            key: self.needed_file(at, "key", raw.key.as_ref()),
            xroad: raw.xroad.as_ref().map(|xroad| Xroad {
                instance: xroad.instance.clone(),
                client: member(&xroad.client),
                provider: member(&xroad.provider),
                dialect: xroad.dialect,
                request_hash: xroad.request_hash,
            }),
            ws_addressing: raw.ws_addressing,
            ws_security: raw.ws_security.as_ref().map(|token| UsernameTokenFile {
                username: token.username.clone(),
                password_file: self.file(&format!("{at}/ws_security/password_file"), &token.password_file),
                password_type: token.password_type,
            }),
            basic_auth: raw.basic_auth.as_ref().map(|basic| BasicAuthFile {
                username: basic.username.clone(),
                password_file: self.file(&format!("{at}/basic_auth/password_file"), &basic.password_file),
            }),
            api_key: raw.api_key.as_ref().and_then(|key| self.api_key(&format!("{at}/api_key"), key)),
            oauth2: raw.oauth2.as_ref().map(|oauth2| OAuth2File {
                token_path: oauth2.token_path.clone(),
                client_id: oauth2.client_id.clone(),
                client_secret_file: self.file(&format!("{at}/oauth2/client_secret_file"), &oauth2.client_secret_file),
                scope: oauth2.scope.clone(),
            }),
            poll_every,
            idempotency_key: raw.idempotency_key,
            answer_bytes_max: bytes_max,
            limits: self.limits(&format!("{at}/limits"), &raw.limits),
        }
    }

    fn watch(&mut self, raw: &RawWatch, store: &Path) -> WatchConfig {
        let defaults = Sensitivity::default();
        let lasting = raw.lasting.as_ref().map_or(Duration::from_secs(2), |text| self.duration("/watch/lasting", text));
        if lasting > Duration::from_mins(10) {
            self.refuse("/watch/lasting", "out-of-range", "a bound outside the range", "0s to 10m");
        }
        for (key, count) in [("failures_min", raw.failures_min), ("answers_min", raw.answers_min)] {
            if count.is_some_and(|count| !(1..=1000).contains(&count)) {
                self.refuse(&format!("/watch/{key}"), "out-of-range", "a bound outside the range", "1 to 1000");
            }
        }
        if raw.probes.as_ref().is_some_and(|probes| !is_official(&probes.responsible) || probes.responsible.contains(':')) {
            self.refuse("/watch/probes/responsible", "wrong-official", "not an official's number", "such as AZ-0001");
        }
        WatchConfig {
            probes: raw.probes.as_ref().map(|probes| ProbesConfig { responsible: probes.responsible.clone() }),
            path: raw.path.as_ref().map_or_else(|| store.with_file_name("watch.sqlite"), |path| self.base.join(path)),
            sensitivity: Sensitivity {
                failures_min: raw.failures_min.unwrap_or(defaults.failures_min),
                lasting: jiff::SignedDuration::try_from(lasting).unwrap_or(defaults.lasting),
                answers_min: raw.answers_min.unwrap_or(defaults.answers_min),
                ..defaults
            },
        }
    }

    fn api_key(&mut self, at: &str, raw: &RawApiKey) -> Option<ApiKeyFiles> {
        let key_file = self.file(&format!("{at}/key_file"), &raw.key_file);
        let next_key_file = raw.next_key_file.as_ref().map(|file| self.file(&format!("{at}/next_key_file"), file));
        let Ok(header) = raw.header.parse::<HeaderName>() else {
            self.refuse(&format!("{at}/header"), "wrong-header", "not the name of a header", "such as X-Api-Key");
            return None;
        };
        Some(ApiKeyFiles { header, key_file, next_key_file })
    }

    fn limits(&mut self, at: &str, raw: &RawLimits) -> InstanceOptions {
        let defaults = InstanceOptions::default();
        let calls_max = raw.calls_max.unwrap_or(defaults.calls_max);
        if !(1..=4096).contains(&calls_max) {
            self.refuse(&format!("{at}/calls_max"), "out-of-range", "a bound outside the range", "1 to 4096 calls");
        }
        let breaker = &raw.breaker;
        let mut span = |key: &str, text: &Option<String>, default: Duration| {
            text.as_ref().map_or(default, |text| self.duration(&format!("{at}/breaker/{key}"), text))
        };
        let slow_after = span("slow_after", &breaker.slow_after, defaults.breaker.slow_after);
        let open_for = span("open_for", &breaker.open_for, defaults.breaker.open_for);
        InstanceOptions {
            calls_max,
            breaker: BreakerOptions {
                calls_min: breaker.calls_min.unwrap_or(defaults.breaker.calls_min),
                failed_percent: breaker.failed_percent.unwrap_or(defaults.breaker.failed_percent),
                slow_percent: breaker.slow_percent.unwrap_or(defaults.breaker.slow_percent),
                slow_after,
                open_for,
                ..defaults.breaker
            },
            ..defaults
        }
    }

    fn file(&mut self, pointer: &str, path: &Path) -> PathBuf {
        let path = self.base.join(path);
        if !path.is_file() {
            self.refuse(pointer, "missing-file", "there is no such file", "an existing PEM file");
        }
        path
    }

    fn address(&mut self, pointer: &str, text: &str) -> Option<SocketAddr> {
        match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                self.refuse(pointer, "wrong-address", "not an address with a port", "ip:port, such as 127.0.0.1:8443");
                None
            }
        }
    }

    fn duration(&mut self, pointer: &str, text: &str) -> Duration {
        match text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok()) {
            Some(duration) => duration,
            None => {
                self.refuse(pointer, "wrong-duration", "not a length of time", "such as 30s, 15m or 24h");
                Duration::ZERO
            }
        }
    }

    fn refuse(&mut self, pointer: &str, rule: &'static str, message: &str, accepted: &str) {
        self.sound = false;
        self.problems.push(self.document.problem(pointer, rule, message, accepted));
    }
}
/// The folder of this name with `-fence` behind it.
fn beside(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push("-fence");
    dir.with_file_name(name)
}
