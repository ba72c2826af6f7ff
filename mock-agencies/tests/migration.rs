//! State Migration Service: permits of foreigners over X-Road REST.

use mock_agencies::{AgencyCode, Personas};
use serde_json::{Value, json};

use crate::world::{World, whole};

const ADDRESS: &str = "/r1/AZ-TEST/GOV/10000012/miqrasiya/icazeler/vmms/v2/icazeler";

async fn get(world: &World, path: &str) -> (u16, Value) {
    let request = world.client.get(world.url(&format!("{ADDRESS}{path}")));
    let response = request.header("x-road-client", "AZ-TEST/GOV/10000001/meis").header("x-road-id", "id-1").send().await.expect("answered");
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&whole(response).await).expect("JSON"))
}

fn pins(body: &Value) -> Vec<&str> {
    body["icazeler"].as_array().into_iter().flatten().filter_map(|item| item["pin"].as_str()).collect()
}

#[tokio::test]
async fn a_permit_is_found_by_pin_or_passport() {
    let world = World::new(AgencyCode::Migration).await;
    let (status, work) = get(&world, "?pin=2F6JK8O").await;
    let item = &work["icazeler"][0];
    assert_eq!((status, &item["icaze_novu"], &item["isegoturen_voen"]), (200, &json!("IS"), &json!("9900001233")));
    assert!(item.get("pasport_nomre").is_none(), "{item}");
    let passport = "?pasport_seriya=ZZ&pasport_nomre=0070004&dogum_tarixi=1990-05-02";
    let (_, resident) = get(&world, passport).await;
    assert_eq!((pins(&resident), &resident["icazeler"][0]["pasport_nomre"]), (vec!["4P7XW3O"], &json!("0070004")));
    assert_eq!(pins(&get(&world, &format!("{passport}&vetendasliq=UTO")).await.1), ["4P7XW3O"]);
    let none = (404, json!({"kod": "ICAZE_TAPILMADI"}));
    assert_eq!(get(&world, &format!("{passport}&vetendasliq=XXA")).await, none);
    assert_eq!(get(&world, "?pin=5K7QX2O").await, none);
    for wrong in [
        "",
        "?pin=5K7",
        "?pin=2F6JK8O&vetendasliq=UTO",
        "?pasport_seriya=ZZ&pasport_nomre=0070004",
        &format!("{passport}&vetendasliq=utopia"),
    ] {
        assert_eq!(get(&world, wrong).await, (400, json!({"kod": "SORGU_YANLISDIR"})), "{wrong}");
    }
    // Both records come, whichever PIN is asked for.
    for query in ["?pin=7K2MU6O", "?pin=5H4TB6O", "?pasport_seriya=ZZ&pasport_nomre=0070006&dogum_tarixi=1981-01-17"] {
        assert_eq!(pins(&get(&world, query).await.1), ["7K2MU6O", "5H4TB6O"], "{query}");
    }
    world.fault("two-pins");
    assert_eq!(pins(&get(&world, "?pin=2F6JK8O").await.1).len(), 2);
    world.fault("wrong-person");
    assert_ne!(pins(&get(&world, "?pin=2F6JK8O").await.1), ["2F6JK8O"]);
    world.agency.shutdown().await;
}

#[test]
fn foreigners_hold_together_with_the_personas() {
    let personas = Personas::embedded();
    let today = jiff::civil::date(2026, 3, 11);
    for (pin, foreigner) in &personas.migration().foreigners {
        assert!(pin.ends_with('O') && &*foreigner.passport.series == "ZZ" && &*foreigner.citizenship == "UTO", "{pin}");
        assert!(foreigner.surname.bytes().chain(foreigner.given_name.bytes()).all(|b| b.is_ascii_uppercase()), "{pin}");
        let permit = &foreigner.permit;
        assert!(permit.number.starts_with("TEST-") && permit.from.seen_from(today) < permit.until.day(today), "{pin}");
        let employer = permit.employer.as_deref();
        assert!(employer.is_none_or(|tin| personas.companies().iter().any(|company| &*company.tin == tin)), "{pin}");
        if let Some(person) = personas.by_fin(pin) {
            let same = (&person.document.number, person.birth_date) == (&foreigner.passport.number, foreigner.birth_date);
            assert!(same && person.citizenship == foreigner.citizenship, "{pin}");
        }
    }
    // Every foreigner among the hand-written families stands in the register.
    for person in personas.people().filter(|person| &*person.citizenship != "AZE") {
        assert!(personas.migration().by_pin(&person.fin).is_some(), "{}", person.fin);
    }
    let resident = personas.migration().resident().expect("a foreigner");
    assert!(personas.by_fin(resident).is_some());
}
