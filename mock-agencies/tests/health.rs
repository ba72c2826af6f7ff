//! Ministry of Health: births over X-Road REST.

use mock_agencies::{ActKind, AgencyCode, Day, Personas, Sex};
use serde_json::{Value, json};

use crate::world::{World, whole};

const ADDRESS: &str = "/r1/AZ-TEST/GOV/10000007/sehiyye/dogum-faktlari/vahid-sehiyye/v1/dogumlar";

async fn get(world: &World, path: &str) -> (u16, Value) {
    let request = world.client.get(world.url(&format!("{ADDRESS}{path}")));
    let response = request.header("x-road-client", "AZ-TEST/GOV/10000001/meis").header("x-road-id", "id-1").send().await.expect("answered");
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&whole(response).await).expect("JSON"))
}

fn year_of(fin: &str) -> String {
    let today = model::time::day(jiff::Timestamp::now());
    format!("?ana_fin={fin}&tarixden={}&tarixedek={today}", today.saturating_sub(jiff::Span::new().months(12)))
}

#[tokio::test]
async fn births_in_a_window_are_told_without_an_offset() {
    let world = World::new(AgencyCode::Health).await;
    let (status, twins) = get(&world, &year_of("06G8EHO")).await;
    assert_eq!((status, &twins["ana_fin"], twins["dogumlar"].as_array().map(Vec::len)), (200, &json!("06G8EHO"), Some(2)));
    let first = twins["dogumlar"][0]["dogum_vaxti"].as_str().expect("a time");
    assert!(first.len() == "12.07.2015 23:50".len() && first.ends_with(" 23:50"), "{first}");
    let (_, lost) = get(&world, &year_of("6DBZN3O")).await;
    assert_eq!((&lost["dogumlar"][0]["diri_dogum"], &lost["dogumlar"][0]["usaq_cinsi"]), (&json!("X"), &json!("Q")));
    assert_eq!(get(&world, "?ana_fin=8GP0N6O&tarixden=2022-12-30&tarixedek=2022-12-30").await.1["dogumlar"][0]["diri_dogum"], "B");
    // Whether the register knows the woman makes no difference.
    for fin in ["3M9RT4O", "S72F7AO"] {
        assert_eq!(get(&world, &year_of(fin)).await, (200, json!({"ana_fin": fin, "dogumlar": []})));
    }
    for wrong in [
        "",
        "?ana_fin=3M9RT4O",
        "?ana_fin=3M9RT4O&tarixden=2026-02-01&tarixedek=2026-01-31",
        "?ana_fin=3M9RT4O&tarixden=2025-01-01&tarixedek=2026-01-02",
        "?ana_fin=3M9RT4O&tarixden=01.01.2026&tarixedek=02.01.2026",
        "?ana_fin=3M9&tarixden=2026-01-01&tarixedek=2026-02-01",
    ] {
        assert_eq!(get(&world, wrong).await, (400, json!({"kod": "SORGU_YANLISDIR"})), "{wrong}");
    }
    for (fault, key, expected) in [("undeclared", "diaqnoz", json!("O80")), ("wrong-type", "diri_dogum", json!("1"))] {
        world.agency.set_fault("birth-fact", fault, Some(1)).expect("accepted");
        assert_eq!(get(&world, &year_of("8GP0N6O")).await.1["dogumlar"][0][key], expected, "{fault}");
    }
    world.agency.shutdown().await;
}

#[test]
fn births_hold_together_with_the_personas() {
    let personas = Personas::embedded();
    let today = jiff::civil::date(2026, 3, 11);
    for (fin, births) in &personas.health().births {
        let mother = personas.by_fin(fin).unwrap_or_else(|| panic!("{fin} is nobody"));
        assert_eq!(mother.sex, Sex::Female, "{fin}");
        assert!(births.iter().map(|birth| birth.at(today)).is_sorted_by(|before, after| before < after), "{fin}");
        for birth in births {
            assert!(birth.certificate.starts_with("TEST-DT-") && birth.org.starts_with("TM-TEST-"), "{fin}");
            let acts = personas.acts_of(fin).filter(|act| act.kind == ActKind::Birth);
            // Of births by the calendar justice has registered the child, of later ones it has heard nothing.
            let child = acts.filter(|act| act.event_on == birth.at(today).date()).count();
            assert_eq!(child == 1, matches!(birth.day, Day::On(_)), "{fin}");
        }
    }
    // Whoever was born since the register began is in it.
    let began = jiff::civil::date(2021, 1, 1);
    for act in personas.families().iter().flat_map(|family| &family.acts).filter(|act| act.kind == ActKind::Birth && act.event_on >= began)
    {
        let known =
            act.persons.iter().any(|person| personas.health().of(&person.fin).iter().any(|birth| birth.at(today).date() == act.event_on));
        assert!(known, "{}", act.number);
    }
}
