//! What a bundle says to people, in Azerbaijani and English.

use crate::record::Kind;

/// Above the claimed keys.
pub(super) const KEYS: &str = "\
Bu fayldakı açarlar yalnız iddiadır: onları ixracı hazırlayan yazıb.
Hər birini jurnalı aparanın dərc etdiyi açarla müqayisə edin və yoxlama üçün dərc olunmuş açarı götürün.

The keys in this file are only claimed: whoever made the export wrote them.
Compare each with the key that the log's keeper publishes, and take the published one for the check.
";

/// Before a key in the report.
pub(super) const CLAIMED_KEY: &str =
    "İddia olunan açar, dərc olunmuşla müqayisə edin <span class=\"en\">/ Claimed key, compare it with the published one</span>";

/// Where an entry's text cannot be shown. HTML.
pub(super) const TEXT_LOST: &str = "<br>(mətni açan açar yoxdur <span class=\"en\">/ the key to its text is gone</span>)";

/// The columns of the report's table.
pub(super) const COLUMNS: [(&str, &str); 10] = [
    ("Vaxt", "Time"),
    ("Nə baş verib", "What happened"),
    ("İstehlakçı", "Consumer"),
    ("Vəzifəli şəxs", "Official"),
    ("Rol", "Role"),
    ("Xidmət", "Service"),
    ("Məqsəd", "Purpose"),
    ("Nəticə", "Outcome"),
    ("Verilən sahələr", "Fields given"),
    ("Jurnalda yeri, yarpaq heşi", "Place in the log, leaf hash"),
];

/// What the report itself is worth. HTML.
pub(super) const REPORT_NOTE: &str = "\
<p>Bu səhifə oxumaq üçündür və özü heç nəyi sübut etmir: onu istənilən adam dəyişdirə bilər. \
Sübut <code>entries.ndjson</code> faylındadır; onu <code>qovsaq-verify</code> ilə, jurnalı aparanın dərc etdiyi açarla yoxlayın. \
Necə, <code>README.txt</code> faylında yazılıb.</p>\
<p class=\"en\">This page is for reading and proves nothing by itself: anybody could change it. \
The proof is in <code>entries.ndjson</code>; check it with <code>qovsaq-verify</code> and the key that the log's keeper publishes. \
<code>README.txt</code> says how.</p>";

/// What a kind of entry means.
pub(super) fn kind(number: u8) -> (&'static str, &'static str) {
    /// The number of a kind as a pattern.
    macro_rules! words {
        ($($kind:ident => $az:literal, $en:literal;)*) => {
            match number {
                $(number if number == Kind::$kind.number() => ($az, $en),)*
                _ => ("digər hadisə", "another event"),
            }
        };
    }
    words! {
        EpochOpened => "yeni möhürləmə açarları", "new sealing keys";
        NodeStarted => "şlüz işə düşüb", "the gateway started";
        NodeStopped => "şlüz dayanıb", "the gateway stopped";
        Recovered => "qəfil dayanmadan sonra jurnal bərpa olunub", "the journal recovered after a sudden stop";
        ConfigurationActivated => "konfiqurasiya qüvvəyə minib", "a configuration became active";
        KeyChanged => "açarlar və sertifikatlar yenidən oxunub", "keys and certificates were read again";
        CacheCleared => "saxlanmış cavablar silinib", "kept answers were cleared";
        LogBegun => "yeni yarımillik jurnal başlayıb", "the log of a new half-year began";
        LogEnded => "yarımillik jurnal bitib", "the half-year's log ended";
        Intent => "mənbəyə sorğu göndərilmək üzrədir", "a question is about to be sent to the source";
        Answered => "mənbə cavab verib", "the source answered";
        Failed => "sorğu baş tutmayıb", "the call failed";
        Abandoned => "sorğu qəzaya görə yarımçıq qalıb; göndərilmiş ola bilər", "a crash left the question open; it may have been sent";
        Disclosed => "məlumat istehlakçıya verilir", "the consumer is told";
        Denied => "sorğu rədd edilib", "the question was refused";
        CaseOpened => "iş açılıb", "the case was opened";
        CaseClosed => "iş bağlanıb", "the case was closed";
        MembersDiscovered => "cavabdan ailə üzvləri məlum olub", "an answer named members of the family";
        CaseTransferred => "iş başqa vəzifəli şəxsə verilib", "a case went to another official";
        CaseOverridden => "təcili hal: vəzifəli şəxs öz işindən kənara çıxıb", "an emergency: an official acts beyond his own case";
        OverrideReviewed => "təcili hal araşdırılıb", "an emergency was reviewed";
        ConsentRegistered => "razılıq ilk dəfə istifadə olunub", "a consent was used for the first time";
        ConsentWithdrawn => "razılıq geri götürülüb", "a consent was withdrawn";
        ConsentsTold => "vətəndaşa onun adına olan razılıqlar deyilib", "a citizen was told of the consents in his name";
        Searched => "auditor jurnalda axtarış aparıb", "an auditor searched the journal";
        EntryRead => "auditor qeydi oxuyub", "an auditor read an entry";
        Exported => "auditor qeydləri ixrac edir", "an auditor exports entries";
        ExportFinished => "ixrac başa çatıb", "the export was written to its end";
        AccessListTold => "şəxsə onun məlumatından kimin istifadə etdiyi bildirilir", "a person is told who used his data";
        RegisterTakenOver => "ilkin hüquqlar reyestri qəbul edilib", "the initial register of rights was taken over";
        AccountChanged => "vəzifəli şəxsin hesabı dəyişib", "an official's account changed";
        RightRequested => "hüquq barədə sorğu verilib", "a change of rights was requested";
        RequestDecided => "hüquq sorğusu üzrə qərar verilib", "a request about rights was decided";
        RightAcknowledged => "vəzifəli şəxs rolun vəzifələrini qəbul edib", "an official acknowledged the duties of a role";
        RightWithdrawn => "hüquq dərhal geri alınıb", "a right was withdrawn at once";
        EmergencyRightTaken => "hüquq təcili götürülüb", "a right was taken in an emergency";
        EmergencyRightReviewed => "təcili götürülmüş hüquq yoxlanılıb", "a right taken in an emergency was reviewed";
        RightReviewed => "rüblük yoxlamada hüquq təsdiqlənib və ya qüvvədən düşüb", "the quarterly review confirmed a right or let it lapse";
        RegisterSwept => "köhnə hüquqlar reyestrdən silinib", "what ended long ago left the register of rights";
        SuppressionDecided => "işdə məlumatdan istifadənin şəxsə bildirilməsi barədə qərar", "a decision on whether a person is told of the use of his data in a case";
        BundleActivated => "iki nəfərin imzaladığı dəyişiklik toplusu qüvvəyə minir", "a bundle of changes that two persons signed becomes active";
        FeedLoaded => "mənbənin faylı yüklənir", "a source's file is loaded";
        FeedRefused => "mənbənin faylı qəbul edilməyib; əvvəlki qalır", "a source's file was refused; the one before stays";
        BundleDrifted => "fayllar imzalanmış topluya uyğun deyil və ya yenidən uyğundur", "files differ from the signed bundle, or agree with it again";
        Quarantined => "mənbənin dediyi müqaviləni pozur, ayrıca saxlanılır", "what the source said breaks its contract and is kept apart";
        QuarantineOpened => "ayrıca saxlanılanın məzmunu oxunur", "the content of what is kept apart is read";
        QuarantineReplayed => "ayrıca saxlanılanlar yenidən oxunub", "what is kept apart was read again";
        QuarantineClosed => "ayrıca saxlanılan həll olunub və ya müddəti bitib", "what was kept apart is solved or has expired";
        FactsRecalled => "mənbə məlumatı geri götürüb", "a source took facts back";
        NoticesTold => "istehlakçıya geri götürülmüş məlumat barədə bildirilir", "a consumer is told of facts that were taken back";
        EntryExplained => "auditor qeyddəki qərarın izahını alır", "an auditor has an entry's decision explained";
        OutageOpened => "mənbə cavab vermir: fasilə başlayıb", "a source does not answer: an outage began";
        OutageClosed => "mənbə yenidən cavab verir: fasilə bitib", "a source answers again: an outage ended";
        GatewayDown => "şlüz özü işləmirdi", "the gateway itself did not run";
        ProbeJudged => "yoxlama sorğusunun cavabı gözlənildiyi kimi deyil və ya yenidən gözlənildiyi kimidir", "a probe's answer was not what it should be, or was so again";
        RefusalsSummarised => "rədd edilmiş qoşulmaların sayı", "refused connections, counted";
    }
}

/// The bundle's `README.txt`.
pub(super) fn readme(case: &str) -> String {
    // A name must not look like a line of this text.
    let case: String = case.chars().filter(|character| !character.is_control()).collect();
    format!(
        "\
QOVŞAQ JURNALINDAN SÜBUT TOPLUSU
İş: {case}

Bu nədir
  Şlüz hər sorğunu, hər cavabı və hər rəddi jurnala yazır. Jurnala yalnız əlavə etmək olur; onun ölçüsünü
  və məzmununu nəzarət nöqtəsi adlanan imzalı mətn bağlayır. Bu toplu bir iş üzrə tapılan yazılardır.

Fayllar
  entries.ndjson   yazılar və onların sübutları; yoxlanan budur
  entries.csv      eyni yazılar cədvəl proqramı üçün
  report.html      eyni yazılar oxumaq üçün; özü sübut deyil
  checkpoints/     sübutların apardığı nəzarət nöqtələri
  keys.txt         iddia olunan açarlar; dərc olunmuşla müqayisə edin
  manifest.json    faylların siyahısı, ölçüləri və SHA-256 heşləri

Necə yoxlamalı
  1. Jurnalın açarını jurnalı aparanın dərc etdiyi yerdən götürün, bu topludan yox.
  2. qovsaq-verify --language az --key 'AÇAR' BU_FAYL.zip
     Proqrama nə şlüz, nə şəbəkə lazımdır. Format açıq standartlara əsaslanır; yoxlamanı başqa proqramla da
     aparmaq olar (RFC 6962, C2SP tlog-checkpoint, qovşağın journal-format.md sənədi, \"Exports\").

Bu nəyi sübut edir
  Hər yazı həmin nəzarət nöqtəsi imzalanmazdan əvvəl jurnalda öz yerində durub, mətni də dəqiq budur:
  sonradan nə dəyişdirilib, nə də araya salınıb.

Bu nəyi sübut etmir
  - Başqa yazının olmadığını: tapılmayan və ya bura salınmayan yazı görünmür.
  - Şlüzün həqiqəti yazdığını: jurnal yazılanı qoruyur, doğruluğunu yox.
  - Dəqiq vaxtı: vaxt şlüzün saatına görədir. Yazı nəzarət nöqtəsindən əvvəldir, bundan artığı sübut olunmur.
  - İxracı kimin, nə vaxt və nə üçün hazırladığını: bunu heç bir açar imzalamayıb.
  Mətni göstərilməyən yazı (blind və metadata boşdur) yerində durub, amma onun mətnini açan açar artıq yoxdur.

------------------------------------------------------------------------------------------------------------

EVIDENCE BUNDLE FROM THE JOURNAL OF QOVŞAQ
Case: {case}

What this is
  The gateway writes every question, every answer and every refusal into a journal. Entries can only be
  added to it; a signed text, the checkpoint, binds its size and all it holds. This bundle has the entries
  that were found for one case.

Files
  entries.ndjson   the entries and their proofs; this is what is checked
  entries.csv      the same entries for a spreadsheet
  report.html      the same entries for reading; no proof by itself
  checkpoints/     the checkpoints that the proofs lead to
  keys.txt         the claimed keys; compare them with the published ones
  manifest.json    the list of files with their sizes and SHA-256 hashes

How to check it
  1. Take the log's key from where the log's keeper publishes it, not from this bundle.
  2. qovsaq-verify --key 'KEY' THIS_FILE.zip
     The program needs neither the gateway nor a network. The format rests on open standards, so another
     program can check it too (RFC 6962, C2SP tlog-checkpoint, and journal-format.md of Qovşaq, \"Exports\").

What that proves
  Each entry stood at its place in the log before that checkpoint was signed, and this is its exact text:
  nothing was changed or put in between later.

What it does not prove
  - That there are no other entries: what was not found, or not put in here, does not show.
  - That the gateway wrote the truth: the journal keeps what was written, not whether it was right.
  - The exact time: times are by the gateway's clock. An entry is older than the checkpoint; more is not proven.
  - Who made the export, when and what for: no key has signed that.
  An entry without its text (blind and metadata are empty) stood at its place, but the key to its text is gone.
"
    )
}
