use std::os::unix::fs::PermissionsExt;

use super::*;

fn now() -> Timestamp {
    "2026-03-11T08:00:00Z".parse().expect("valid")
}

fn authority(dir: &Path) -> Authority {
    Authority::init(dir, "Test authority", CRL_VALIDITY, now()).expect("a fresh folder")
}

#[test]
fn what_was_issued_is_listed_after_reopening_and_keys_are_private() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut made = authority(dir.path());
    let validity = Validity::starting(now(), LEAF_VALIDITY);
    let issued = made.issue_client("targeted-aid", &["Targeted-Aid.consumer.test"], validity, now()).expect("issued");
    made.issue_server("gateway", &["localhost", "127.0.0.1"], validity, now()).expect("issued");
    drop(made);

    let reopened = Authority::open(dir.path()).expect("opens");
    let names: Vec<_> = reopened.list().iter().map(|entry| (entry.name.as_str(), entry.usage)).collect();
    assert_eq!(names, [("targeted-aid", Usage::Client), ("gateway", Usage::Server)]);
    assert_eq!(reopened.list()[0].names, ["targeted-aid.consumer.test"]);
    assert_eq!(reopened.list()[0].serial, issued.serial);
    for key in [issued.key, dir.path().join("ca.key")] {
        assert_eq!(fs::metadata(key).expect("there").permissions().mode() & 0o777, 0o600);
    }
    let left: Vec<_> = fs::read_dir(dir.path()).expect("listed").map(|file| file.expect("file").file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[test]
fn revocation_by_name_takes_every_certificate_of_that_name_and_raises_the_list_number() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut made = authority(dir.path());
    let validity = Validity::starting(now(), LEAF_VALIDITY);
    let first = made.issue_client("a", &["a.test"], validity, now()).expect("issued").serial;
    let second = made.issue_client("a", &["a.test"], validity, now()).expect("issued").serial;
    let other = made.issue_client("b", &["b.test"], validity, now()).expect("issued").serial;
    let before = list_of(&made);

    assert_eq!(made.revoke("a", now()).expect("revoked"), [first.clone(), second.clone()]);
    assert_eq!(made.revoke(&first, now()).expect("known"), Vec::<String>::new(), "nothing left to revoke");
    assert!(matches!(made.revoke("nobody", now()), Err(PkiError::Unknown(_))));

    let after = list_of(&made);
    assert!(before.1 < after.1, "the list's number rises");
    assert!(after.0.contains(&first) && after.0.contains(&second) && !after.0.contains(&other));
}

/// Serial numbers and number of the revocation list, as another program reads them.
fn list_of(authority: &Authority) -> (Vec<String>, u64) {
    let pem = fs::read(authority.crl()).expect("there");
    let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).expect("pem");
    let (_, list) = x509_parser::parse_x509_crl(&pem.contents).expect("a list");
    let number = list.crl_number().expect("numbered").to_string().parse().expect("small");
    (list.iter_revoked_certificates().map(|entry| hex(entry.raw_serial())).collect(), number)
}

#[test]
fn names_that_would_leave_the_folder_or_hide_the_authority_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut made = authority(dir.path());
    let validity = Validity::starting(now(), LEAF_VALIDITY);
    for bad in ["", "../x", "a/b", ".hidden", "-x", "ca", "crl", "index", "ə"] {
        assert!(matches!(made.issue_client(bad, &["x.test"], validity, now()), Err(PkiError::Name { .. })), "{bad}");
    }
    assert!(made.issue_client("x", &[], validity, now()).is_err());
    let backwards = Validity { from: now(), until: now() };
    assert!(matches!(made.issue_client("x", &["x.test"], backwards, now()), Err(PkiError::Validity)));
    assert!(made.list().is_empty());
}

#[test]
fn an_authority_is_never_made_over_another_and_never_found_where_there_is_none() {
    let dir = tempfile::tempdir().expect("a folder");
    assert!(matches!(Authority::open(dir.path()), Err(PkiError::Missing(_))));
    drop(authority(dir.path()));
    let again = Authority::init(dir.path(), "Another", CRL_VALIDITY, now());
    assert!(matches!(again, Err(PkiError::Exists(_))));
}
