//! Refugee committee: SOAP 1.1 with a password, and rows that a move has spoilt.

use mock_agencies::{AgencyCode, REFUGEE_COMMITTEE_PASSWORD, REFUGEE_COMMITTEE_USERNAME};

use crate::world::{Got, World, got, texts};

async fn ask_as(world: &World, password: &str, operation: &str, input: &str) -> Got {
    let envelope = format!(
        "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' xmlns:q='http://qmk.example/reyestr'><s:Body>\
         <q:{operation}>{input}</q:{operation}></s:Body></s:Envelope>"
    );
    let request = world.client.post(world.url("/QMKReyestr/Reyestr.asmx")).basic_auth(REFUGEE_COMMITTEE_USERNAME, Some(password));
    let request = request.header("content-type", "text/xml; charset=utf-8");
    got(request.header("soapaction", format!("\"http://qmk.example/reyestr/{operation}\"")).body(envelope)).await
}

async fn ask(world: &World, operation: &str, input: &str) -> Got {
    ask_as(world, REFUGEE_COMMITTEE_PASSWORD, operation, input).await
}

#[tokio::test]
async fn a_row_that_was_moved_is_spoilt_and_its_neighbour_is_not() {
    let world = World::new(AgencyCode::RefugeeCommittee).await;
    let moved = ask(&world, "StatusSorgusu", "<q:Fin>3M9RT4O</q:Fin>").await;
    let one = |got: &Got, name: &str| texts(&got.body, name).join("|").trim_end().to_owned();
    assert_eq!((moved.status, one(&moved, "Netice"), one(&moved, "Soyad")), (200, "0".to_owned(), "Sэnaqlэ".to_owned()));
    assert_eq!(one(&moved, "MeskunlasmaUnvani"), "Bakэ ю., Sэnaq yataqxanasэ");
    assert_eq!((one(&moved, "BaslamaTarixi"), one(&moved, "BitmeTarixi")), ("03.11.1999".to_owned(), "01.01.1900".to_owned()));
    assert!(texts(&moved.body, "Fin")[0].ends_with(' '), "a column of fixed width");
    let sound = ask(&world, "StatusSorgusu", "<q:Fin>T0MG5FO</q:Fin>").await;
    assert_eq!(one(&sound, "MeskunlasmaUnvani"), "Bərdə ş., yataqxana 3, otaq 14");
    let lost = ask(&world, "StatusSorgusu", "<q:Fin>4YZ52YO</q:Fin>").await;
    assert_eq!(one(&lost, "MeskunlasmaUnvani"), "B?rd? ю., yataqxana 3, otaq 14");
}

#[tokio::test]
async fn a_card_is_as_good_as_its_holder_and_none_is_said_so() {
    let world = World::new(AgencyCode::RefugeeCommittee).await;
    let by_card = ask(&world, "StatusSorgusu", "<q:VesiqeNo>TEST-MK-00077</q:VesiqeNo>").await;
    assert_eq!(texts(&by_card.body, "Fin")[0].trim_end(), "3M9RT4O");
    let none = ask(&world, "StatusSorgusu", "<q:VesiqeNo>TEST-MK-99999</q:VesiqeNo>").await;
    assert_eq!((texts(&none.body, "Netice"), texts(&none.body, "VesiqeNo")), (vec!["1"], vec!["TEST-MK-99999"]));
    // Known to the register, and not housed.
    let none = ask(&world, "KocurulmeSorgusu", "<q:Fin>3M9RT4O</q:Fin>").await;
    assert_eq!((texts(&none.body, "Netice"), texts(&none.body, "Fin")), (vec!["1"], vec!["3M9RT4O"]));
    let housed = ask(&world, "KocurulmeSorgusu", "<q:Fin>K6ZN5VO</q:Fin>").await;
    assert_eq!(texts(&housed.body, "MenzilTarixi"), ["15.08.2023"]);
}

#[tokio::test]
async fn a_wrong_password_or_request_is_refused() {
    let world = World::new(AgencyCode::RefugeeCommittee).await;
    let refused = ask_as(&world, "another", "StatusSorgusu", "<q:Fin>3M9RT4O</q:Fin>").await;
    assert_eq!((refused.status, &*refused.body), (401, ""));
    for (operation, input) in [
        ("StatusSorgusu", ""),
        ("StatusSorgusu", "<q:Fin>3M9RT4O</q:Fin><q:VesiqeNo>TEST-MK-00077</q:VesiqeNo>"),
        ("StatusSorgusu", "<q:VesiqeNo>a b</q:VesiqeNo>"),
        ("KocurulmeSorgusu", "<q:VesiqeNo>TEST-MK-00077</q:VesiqeNo>"),
        ("BasqaSorgu", "<q:Fin>3M9RT4O</q:Fin>"),
    ] {
        let got = ask(&world, operation, input).await;
        assert_eq!((got.status, texts(&got.body, "faultcode")), (500, vec!["soap:Client"]), "{operation} {input}");
    }
}
