//! How long one event takes to decode: the generator's shop traffic, and one event in three orders of its members.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kairos::decode::Decoder;
use kairos::define::ast::SourceFile;
use kairos::define::compile::{Keep, compile};
use kairos::define::parse::parse;
use kairos::event::Origin;
use kairos::sim::generate::{Config, Faults, Generator};
use std::hint::black_box;

/// Reads some fifteen things, as a shop's packs together do.
const PACK: &str = r#"
events:
  Product Added: { cart_id: string, product_id: string, price: money, quantity: number }
  Order Completed: { order_id: string, total: money, coupon: string }
currency: { base: EUR, rates: { GBP: 1.17, PLN: 0.2345, USD: 0.92 }, default: EUR }
sessions: { gap: 30m }
facts:
  email: { trait: email }
  birthday: { trait: birthday, type: date }
  plan: { trait: plan }
  views: { count: Product Viewed }
  seen: { recent: Product Viewed, of: event.product_id }
  brands: { top: Product Viewed, of: event.brand }
  categories: { top: Product Viewed, of: event.category }
  dearest: { max: Product Viewed, of: event.price }
  cart: { basket: Product Added, minus: Product Removed, until: Order Completed,
          of: event.product_id, quantity: event.quantity, price: event.price, per: cart_id }
  cheap_adds: { count: Product Added, where: 'event.price < 10.0 && event.brand != "x"' }
  coupons: { distinct: Order Completed, of: event.coupon }
  spent: { sum: Order Completed, of: event.total }
  bought: { distinct: Order Completed, of: event.products.product_id }
  pages: { distinct: page, of: event.path }
policy:
  consent:
    - { channel: email, category: marketing }
    - { channel: sms, trait: sms_consent }
"#;

/// The members of a `Product Added` call.
const MEMBERS: [&str; 8] = [
    r#""type":"track""#,
    r#""event":"Product Added""#,
    r#""messageId":"ajs-next-1710000000000-4f9d1b1e""#,
    r#""userId":"customer-48213""#,
    r#""anonymousId":"9b2f6a6e-6f6c-4a68-9a0d-7f2f2c1f6b1d""#,
    r#""timestamp":"2026-03-02T09:00:00.123Z","receivedAt":"2026-03-02T09:00:00.480Z""#,
    r#""context":{"locale":"de-DE","timezone":"Europe/Berlin","userAgent":"Mozilla/5.0 (X11; Linux)","page":{"path":"/p/4711","url":"https://shop.example/p/4711"},"consent":{"categoryPreferences":{"marketing":true,"analytics":false}}}"#,
    r#""properties":{"cart_id":"c-991827","product_id":"P-4711","sku":"4711-M","category":"Shirts","name":"Linen shirt","brand":"Nordvind","variant":"blue","price":39.95,"quantity":2,"currency":"EUR","position":3}"#,
];

fn decoder() -> Decoder {
    let files = [SourceFile { path: "bench.yaml".into(), text: PACK.into() }];
    let (pack, mistakes) = parse(&files);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    Decoder::new(&compile(&pack, Keep::All).expect("the pack is sound").inputs)
}

fn one(order: [usize; 8]) -> String {
    format!("{{{}}}", order.map(|at| MEMBERS[at]).join(","))
}

fn decode(criterion: &mut Criterion) {
    let decoder = decoder();
    let mut group = criterion.benchmark_group("decode");
    let orders = [
        ("type first", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("alphabetical", [4, 6, 1, 2, 7, 5, 0, 3]),
        ("type last", [7, 6, 5, 4, 3, 2, 1, 0]),
    ];
    for (name, order) in orders {
        let line = one(order);
        assert!(decoder.decode(line.as_bytes(), Origin::default()).is_ok());
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| decoder.decode(black_box(line.as_bytes()), Origin::default()));
        });
    }
    let config = Config { events: 2_000, faults: Faults::none(), ..Config::default() };
    let mut generator = Generator::new(config);
    let mut traffic = Vec::new();
    while generator.next_into(&mut traffic).is_some() {}
    let lines: Vec<&[u8]> = traffic.split(|b| *b == b'\n').filter(|l| !l.is_empty()).collect();
    group.throughput(Throughput::Elements(lines.len() as u64));
    group.bench_function("2000 lines of shop traffic", |bencher| {
        bencher.iter(|| {
            let events = lines.iter().map(|line| decoder.decode(line, Origin::default()));
            assert_eq!(events.filter(Result::is_ok).count(), lines.len());
        });
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
