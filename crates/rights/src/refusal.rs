//! Why the register does not do what it was told: a closed list, each with a code and a sentence in both languages.

macro_rules! refusals {
    ($($name:ident = $code:literal, $az:literal, $en:literal;)+) => {
        /// Why a command was refused; nothing was changed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
        pub enum Refusal {
            $(#[doc = $en] #[error($en)] $name,)+
        }

        impl Refusal {
            /// Every refusal.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// The sentence in Azerbaijani.
            #[must_use]
            pub fn az(self) -> &'static str {
                match self { $(Self::$name => $az),+ }
            }

            /// The sentence in English.
            #[must_use]
            pub fn en(self) -> &'static str {
                match self { $(Self::$name => $en),+ }
            }
        }
    };
}

refusals! {
    ActorUnknown = "actor-unknown",
        "Əmri verən şəxsin hesabı yoxdur; hesab açılmasını istəyin",
        "Who gives the command has no account; ask for one";
    ActorDeactivated = "actor-deactivated",
        "Əmri verən şəxsin hesabı bağlanıb",
        "The account of who gives the command is deactivated";
    NotEntitled = "not-entitled",
        "Bu əmr üçün lazım olan vəzifə yoxdur və ya onun əhatəsi bura çatmır; səlahiyyətli şəxsə müraciət edin",
        "The command needs an office that is not held, or whose scope does not reach this; ask who is entitled";
    OwnRequest = "own-request",
        "Öz sorğusuna heç kim qərar vermir; başqa səlahiyyətli şəxs qərar verməlidir",
        "Nobody decides on his own request; another who is entitled must";
    OwnRight = "own-right",
        "Öz hüququna heç kim qərar vermir; başqa səlahiyyətli şəxs qərar verməlidir",
        "Nobody decides on his own right; another who is entitled must";
    NotYours = "not-yours",
        "Vəzifələri yalnız hüququn sahibi qəbul edir",
        "Only who holds a right acknowledges its duties";
    OfficialUnknown = "official-unknown",
        "Bu nömrə ilə hesab yoxdur; əvvəlcə hesab açın",
        "There is no account of this number; open one first";
    OfficialDeactivated = "official-deactivated",
        "Bu hesab bağlanıb; əvvəlcə onu yenidən açın",
        "This account is deactivated; reopen it first";
    OfficialActive = "official-active",
        "Bu hesab bağlı deyil",
        "This account is not deactivated";
    NumberTaken = "number-taken",
        "Bu nömrə ilə hesab artıq var",
        "There is an account of this number already";
    SecondAccount = "second-account",
        "Bu şəxsin artıq hesabı var; bir şəxsin bir hesabı olur (bağlanmış hesab bir il saxlanılır, onu yenidən açın)",
        "This person has an account already, and one person has one (a deactivated one is kept for a year: reopen it)";
    CertificateTaken = "certificate-taken",
        "Sertifikatdakı bu ad başqa hesaba aiddir",
        "This name of a certificate belongs to another account";
    SubjectTaken = "subject-taken",
        "Kimlik provayderindəki bu ad başqa hesaba aiddir",
        "This subject of the identity provider belongs to another account";
    RightUnknown = "right-unknown",
        "Bu nömrə ilə hüquq yoxdur",
        "There is no right of this number";
    RightOver = "right-over",
        "Bu hüquq artıq bitib",
        "This right has ended already";
    RequestUnknown = "request-unknown",
        "Bu nömrə ilə sorğu yoxdur",
        "There is no request of this number";
    RequestDecided = "request-decided",
        "Bu sorğu üzrə artıq qərar var",
        "This request has been decided already";
    Incompatible = "incompatible",
        "İdarə edən və ya istismar edən şəxs nəzarət vəzifəsi daşıya bilməz və əksinə; əvvəlcə köhnə hüququ geri alın",
        "Who administers or operates may not hold an overseeing office, nor the other way round; withdraw the old right first";
    AlreadyHeld = "already-held",
        "Bu hüquq həmin müddət üçün artıq var",
        "The same right stands for that time already";
    BeforeTransfer = "before-transfer",
        "Bu şəxs üçün köçürmə əmri var; yeni hüquq ondan əvvəl başlaya bilməz",
        "A transfer of this person is ordered; a new right begins when it takes effect or later";
    TransferOpen = "transfer-open",
        "Bu şəxsin əvvəlki köçürməsi hələ qərara alınmayıb; əvvəlcə onu təsdiq və ya rədd edin",
        "An earlier transfer of this person is not decided; approve or refuse it first";
    WrongTime = "wrong-time",
        "Vaxt uyğun deyil: sənəd gələcəkdə alına bilməz; hüquq başladıqdan sonra və keçmişdən sonra bitir, ən çoxu bir il sonra və ən çoxu 31 gün əvvəldən başlayır",
        "The time does not fit: nothing is received in the future; a right ends after it begins and not in the past, and begins or ends within a year and at most 31 days back";
    WrongText = "wrong-text",
        "Səbəb və ya sənəd göstərilməyib və ya 500 baytdan uzundur",
        "A reason or document is missing, or longer than 500 bytes";
    TooMany = "too-many",
        "Reyestrdə yer yoxdur: həddən artıq hesab, hüquq və ya açıq sorğu var; köhnələri bitirin",
        "The register holds as many accounts, rights or open requests as it may; finish old ones first";
    AlreadyAcknowledged = "already-acknowledged",
        "Vəzifələr artıq qəbul edilib",
        "The duties are acknowledged already";
    NotAllowedInEmergency = "not-allowed-in-emergency",
        "Bu hüquq təcili götürülə bilənlərin siyahısında deyil; sorğu verin",
        "This right is not on the list of what may be taken in an emergency; request it";
    TakenAway = "taken-away",
        "Bu hüquq həmin şəxsdən alınıb; onu təcili qaydada özünə qaytarmaq olmaz, sorğu verin",
        "This right was ended by others; nobody gives it back to himself in an emergency, request it";
    EmergencyOpen = "emergency-open",
        "Əvvəl götürdüyünüz təcili hüquq hələ yoxlanılmayıb; yoxlanılana qədər yenisi götürülmür",
        "A right that you took in an emergency waits for its review; until then no other is taken";
    OpenedByYou = "opened-by-you",
        "Bu hesabı siz açmısınız; qərarı başqası verir",
        "You opened this account, or that of whoever asks; somebody else decides";
    EmergencyTooLong = "emergency-too-long",
        "Təcili hüquq gələcəkdə və ən çoxu 4 saat sonra bitməlidir",
        "A right taken in an emergency ends in the future, at most 4 hours away";
    NothingToReview = "nothing-to-review",
        "Bu hüquq təcili götürülməyib və ya artıq yoxlanılıb",
        "This right was not taken in an emergency, or has been reviewed";
    NotDue = "not-due",
        "Bu hüquq son rüb üçün yoxlama tələb etmir",
        "This right needs no confirmation for the last quarter";
    LastAdministrator = "last-administrator",
        "Mərkəzi inzibatçısız qalmaq olmaz; əvvəlcə başqasına bu hüququ verin",
        "Nobody would be central administrator any more; give the right to another first";
    CalendarUnknown = "calendar-unknown",
        "Təqvimdə bu ilin iş günləri yoxdur; contracts/calendar.yaml faylını tamamlayın",
        "The calendar does not cover this year's working days; complete contracts/calendar.yaml";
    NotForPersons = "not-for-persons",
        "Bunu yalnız şlüzün özü edir",
        "Only the gateway itself does this";
    NothingToDo = "nothing-to-do",
        "Görüləsi iş yoxdur",
        "There is nothing to do";
}
