//! Mobilisation: SOAP 1.1.

use mock_agencies::AgencyCode;

use crate::world::{Got, World, got, texts};

async fn ask(world: &World, action: &str, body: &str) -> Got {
    let envelope = format!(
        "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' xmlns:u='urn:seferberlik:ucot'><s:Body>{body}</s:Body></s:Envelope>"
    );
    let request = world.client.post(world.url("/herbi-ucot")).header("content-type", "text/xml; charset=utf-8");
    got(request.header("soapaction", format!("\"{action}\"")).body(envelope)).await
}

const ACTION: &str = "urn:seferberlik:ucot/HerbiUcotSorgusu";

fn question(fin: &str) -> String {
    format!("<u:HerbiUcotSorgusu><u:Fin>{fin}</u:Fin></u:HerbiUcotSorgusu>")
}

#[tokio::test]
async fn a_record_has_the_catalogues_letters() {
    let world = World::new(AgencyCode::Mobilisation).await;
    let got = ask(&world, ACTION, &question("5K7QX2O")).await;
    assert_eq!((got.status, got.content_type.as_str()), (200, "text/xml; charset=utf-8"));
    let one = |name| texts(&got.body, name).join("|");
    assert_eq!([one("Fin"), one("UcotStatusu"), one("XidmetBaslama"), one("XidmetBitme")], ["5K7QX2O", "3", "10.07.2003", "10.01.2005"]);
    assert_eq!([one("HazirdaXidmetde"), one("MohletTarixi"), one("MohletEsasi")], ["0", "-", "-"]);
}

#[tokio::test]
async fn who_is_not_on_the_register_is_a_fault_of_its_own() {
    let world = World::new(AgencyCode::Mobilisation).await;
    let got = ask(&world, ACTION, &question("3M9RT4O")).await;
    assert_eq!((got.status, texts(&got.body, "faultcode")), (500, vec!["n:UcotdaYoxdur"]));
}

#[tokio::test]
async fn a_wrong_request_is_refused() {
    let world = World::new(AgencyCode::Mobilisation).await;
    for (action, body) in [
        ("urn:another", question("5K7QX2O")),
        (ACTION, question("5K7QX2")),
        (ACTION, "<u:HerbiUcotSorgusu/>".to_owned()),
        (ACTION, "<u:Basqa><u:Fin>5K7QX2O</u:Fin></u:Basqa>".to_owned()),
        (ACTION, format!("{0}{0}", question("5K7QX2O"))),
    ] {
        let got = ask(&world, action, &body).await;
        assert_eq!((got.status, texts(&got.body, "faultcode")), (500, vec!["soap:Client"]), "{action} {body}");
    }
}
