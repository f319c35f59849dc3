use super::*;
use crate::define::plan::{PropertyType, Rates};
use crate::event::Num;

#[test]
fn smoke() {
    let inputs = Inputs {
        kinds: vec!["".into(), "Order Completed".into(), "page".into()],
        paths: vec![
            PropertyPath { from: Consumer::Event, path: vec!["total".into()] },
            PropertyPath { from: Consumer::Event, path: vec!["products".into(), "id".into()] },
            PropertyPath { from: Consumer::Trait, path: vec!["email".into()] },
        ],
        wanted: vec![vec![], vec![true, true], vec![]],
        declared: vec![(Kind(1), "total".into(), PropertyType::Money)],
        currency: Some(Rates {
            rates: [("EUR".into(), Num::ONE)].into(),
            default: Some("EUR".into()),
        }),
    };
    let d = Decoder::new(&inputs);
    let e = d.decode(br#"{"context":{"timezone":"Europe/Berlin","traits":{"email":"a@b"}},"properties":{"total":12.5,"products":[{"id":"a"},{"id":2},{}]},"type":"track","event":"Completed Order","userId":"u","timestamp":"2026-03-02T09:00:00Z"}"#, Origin::default());
    println!("{e:#?}");
}
