//! The properties of what does not happen in a visit: payments, messages, coupons, friends, sales, and what the shop says of its
//! products.

use super::catalogue::CATEGORIES;
use super::line::{Renderer, choice, id};
use super::session::{Kind, Session};
use super::write::{date, money, number, text};

const DAY_MS: i64 = 86_400_000;

/// What messages are called that the systems which send them report on.
const TEMPLATES: [&str; 6] = [
    "cart-reminder",
    "cart-advice",
    "cart-last-chance",
    "delivery-delayed",
    "payment-last-reminder",
    "subscription-renews",
];

impl Renderer {
    pub(super) fn aftermath(&self, out: &mut Vec<u8>, session: &Session, event_ms: i64) {
        match session.kind {
            Kind::PaymentFailed | Kind::PaymentSucceeded => {
                id(out, r#""payment_id":"pay-"#, session);
                id(out, r#","order_id":"ord-"#, session);
                self.amount(out, session, "amount");
                if session.kind == Kind::PaymentFailed {
                    choice(out, session, "reason", &["card declined", "limit", "timed out"]);
                }
            }
            Kind::MessageDelivered
            | Kind::MessageOpened
            | Kind::MessageClicked
            | Kind::MessageBounced
            | Kind::MessageComplained => message(out, session),
            Kind::Unsubscribed | Kind::Subscribed => {
                text(out, r#""channel":""#);
                text(out, if session.details().chance(0.8) { "email" } else { "sms" });
                text(out, "\"");
            }
            Kind::EmailConfirmed => {
                text(out, r#""email":""#);
                session.customer.email(out);
                text(out, "\"");
            }
            Kind::ApplicationInstalled => text(out, r#""version":"5.12.0""#),
            Kind::CouponIssued | Kind::CouponRedeemed => {
                id(out, r#""code":"C-"#, session);
                text(out, r#","value":10,"currency":"EUR""#);
                if session.kind == Kind::CouponIssued {
                    day_after(out, "expires_on", session.details().between(1, 12), event_ms);
                } else {
                    text(out, r#","total":"#);
                    number(out, session.details().below(150) + 30);
                }
            }
            Kind::InviteSent | Kind::ReferralAccepted => id(out, r#""code":"INV-"#, session),
            Kind::FriendJoined | Kind::FriendOrdered => {
                id(out, r#""friend_id":"f"#, session);
                if session.kind == Kind::FriendOrdered {
                    self.amount(out, session, "total");
                }
            }
            Kind::SubscriptionStarted | Kind::SubscriptionCancelled => {
                id(out, r#""subscription_id":"sub-"#, session);
                choice(out, session, "plan", &["coffee", "care"]);
                if session.kind == Kind::SubscriptionStarted {
                    day_after(out, "renews_on", session.details().between(20, 60), event_ms);
                }
            }
            Kind::StageChanged => {
                id(out, r#""deal_id":"deal-"#, session);
                choice(out, session, "stage", &["qualified", "proposal", "won", "lost"]);
                text(out, r#","owner":"owner-"#);
                number(out, session.details().below(5));
                text(out, "\"");
            }
            Kind::MeetingHeld => {
                id(out, r#""meeting_id":"meet-"#, session);
                text(out, r#","owner":"owner-"#);
                number(out, session.details().below(5));
                text(out, "\"");
            }
            Kind::LegalBlockSet | Kind::LegalBlockLifted => text(out, r#""reason":"court""#),
            _ => {}
        }
    }

    fn amount(&self, out: &mut Vec<u8>, session: &Session, name: &str) {
        text(out, ",\"");
        text(out, name);
        text(out, "\":");
        money(out, session.cart_cents(&self.catalogue));
        text(out, r#","currency":"EUR""#);
    }

    /// What the shop says of a product now: its price and stock change, the rest is the same every time.
    pub(super) fn record(&self, out: &mut Vec<u8>, session: &Session) {
        let product = self.catalogue.product(session.product);
        let mut now = session.details();
        text(out, r#""product_id":"p"#);
        number(out, 1000 + u64::from(session.product));
        text(out, r#"","name":""#);
        text(out, &product.name);
        text(out, r#"","category":""#);
        let shelf = &CATEGORIES[usize::from(session.category) % CATEGORIES.len()];
        text(out, shelf.name);
        text(out, r#"","price":"#);
        let percent = now.pick_weighted(&[(100, 55), (90, 25), (75, 20)]);
        money(out, u64::from(product.price_cents) * percent / 100);
        text(out, r#","stock":"#);
        number(out, *now.pick_weighted(&[(0, 20), (2, 15), (40, 65)]));
        match shelf.slug {
            "groceries" | "beauty" => {
                text(out, r#","lasts_days":"#);
                number(out, 10 + u64::from(session.product % 20));
            }
            "bags" | "home" | "boots" => {
                text(out, r#","warranty_months":"#);
                number(out, if session.product.is_multiple_of(2) { 24 } else { 2 });
            }
            "accessories" => {
                text(out, r#","accessory_of":["p"#);
                number(out, 1000 + u64::from(session.product % 100));
                text(out, "\"]");
            }
            _ => {}
        }
    }
}

/// What has become of a message. One that was opened or clicked was delivered before.
fn message(out: &mut Vec<u8>, session: &Session) {
    id(out, r#""message_id":"msg-"#, session);
    let mut details = session.details();
    let is_sms = session.kind == Kind::MessageBounced && details.chance(0.15);
    text(out, if is_sms { r#","channel":"sms""# } else { r#","channel":"email""# });
    choice(out, session, "template", &TEMPLATES);
    if session.kind == Kind::MessageBounced {
        text(out, r#","hard":"#);
        text(out, if details.chance(0.4) { "true" } else { "false" });
    }
}

/// Appends a date so many days after an event.
fn day_after(out: &mut Vec<u8>, name: &str, days: i64, event_ms: i64) {
    text(out, ",\"");
    text(out, name);
    text(out, "\":\"");
    date(out, event_ms.div_euclid(DAY_MS) + days);
    text(out, "\"");
}
