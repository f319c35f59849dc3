//! What happens at the bounds of `kairos::limits`.

use crate::engine::{Cut, Engine};
use kairos::limits::KEYS_MAX;
use kairos::sink::Stream;

const PACK: &str = "
facts:
  cart: { basket: Product Added, minus: Product Removed, until: Order Completed, of: event.product_id, per: cart_id }

journeys:
  abandoned-cart:
    enter: { on: Product Added, per: cart_id }
    exit: [ { when: size(cart.product_ids) == 0 } ]
    steps:
      - wait: 1h
      - send: { channel: email, template: cart-reminder }
";

/// The bound on remembered carts must not empty a cart that somebody waits for.
#[test]
fn a_cart_with_an_open_journey_is_not_forgotten() {
    let carts = KEYS_MAX + 8;
    let line = |cart: usize, minute: usize| {
        let time = format!("2026-03-02T{:02}:{:02}:00Z", 9 + minute / 60, minute % 60);
        format!(
            r#"{{"type":"track","event":"Product Added","userId":"anna","timestamp":"{time}","properties":{{"cart_id":"c{cart}","product_id":"p"}}}}"#
        )
        .into_bytes()
    };
    let mut lines: Vec<Vec<u8>> = (0..carts).map(|cart| line(cart, cart)).collect();
    lines.push(line(carts, 3 * 60));
    let outputs = Engine::of(PACK).run(&lines, Cut::plain()).outputs;
    let sent = outputs[Stream::Triggers as usize].split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(sent, carts);
}
