//! A visit's present event in, a line in Segment's envelope out. Writes JSON by hand: rendering
//! through a tree of values would cost more than everything else in the generator together.

use super::catalogue::{CATEGORIES, Catalogue, Category};
use super::session::{Kind, Session};
use super::write::{date, hex, money, number, text, timestamp};
use crate::sim::rng::mix;

/// Orders below are sent for a fee.
const FREE_SHIPPING_CENTS: u64 = 5000;
const SHIPPING_CENTS: u64 = 499;

const CAMPAIGNS: [&str; 4] = [
    r#"{"name":"spring_sale","source":"newsletter","medium":"email"}"#,
    r#"{"name":"winter_clearance","source":"google","medium":"cpc","term":"winter coats"}"#,
    r#"{"name":"retargeting_q1","source":"facebook","medium":"paid_social","content":"carousel"}"#,
    r#"{"name":"back_in_stock","source":"crm","medium":"sms"}"#,
];
const REFERRERS: [&str; 4] = [
    "https://www.google.com/",
    "https://shop.example/",
    "https://shop.example/sale",
    "https://www.instagram.com/",
];

/// When a line was made, and when it came in.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The event's own time, in milliseconds since 1970.
    pub event_ms: i64,
    /// How long it was on its way beyond what is usual.
    pub delay_ms: i64,
}

/// Renders lines.
#[derive(Debug)]
pub struct Renderer {
    seed: u64,
    pub(super) catalogue: Catalogue,
}

impl Renderer {
    /// A renderer whose made-up details are a function of the seed.
    pub fn new(seed: u64) -> Self {
        Renderer { seed, catalogue: Catalogue::new() }
    }

    /// Appends the present event of a visit, and a line feed. Each line has another `serial`.
    pub fn line(&self, out: &mut Vec<u8>, session: &Session, times: Times, serial: u64) {
        let kind = session.kind;
        if kind.is_track() {
            text(out, r#"{"type":"track","event":""#);
        } else {
            text(out, r#"{"type":""#);
        }
        text(out, kind.name());
        // A bijection of the serial number: unique, and yet it looks like what a library makes up.
        let id = mix(serial.wrapping_add(mix(self.seed)));
        text(out, r#"","messageId":"ajs-"#);
        hex::<16>(out, id);
        self.identifiers(out, session);
        self.times(out, times, id);
        self.context(out, session);
        match kind {
            Kind::Identify => traits(out, session),
            Kind::Group => group(out, session),
            Kind::Page | Kind::Screen => self.page(out, session),
            _ => {
                text(out, r#","properties":{"#);
                self.properties(out, session, times.event_ms);
            }
        }
        text(out, "}}\n");
    }

    fn identifiers(&self, out: &mut Vec<u8>, session: &Session) {
        if session.kind == Kind::ProductUpdated {
            text(out, r#"","userId":"shop"#);
        } else if session.known {
            text(out, r#"","userId":""#);
            session.customer.user_id(out);
        }
        if !session.kind.is_from_server() {
            text(out, r#"","anonymousId":""#);
            session.customer.anonymous_id(self.seed, session.device, out);
        }
    }

    fn times(&self, out: &mut Vec<u8>, times: Times, id: u64) {
        let sent_ms = times.event_ms.saturating_add(times.delay_ms + (id & 7) as i64);
        let received_ms = sent_ms.saturating_add(15 + (id >> 8 & 31) as i64);
        text(out, r#"","timestamp":""#);
        timestamp(out, times.event_ms);
        text(out, r#"","sentAt":""#);
        timestamp(out, sent_ms);
        text(out, r#"","receivedAt":""#);
        timestamp(out, received_ms);
    }

    fn context(&self, out: &mut Vec<u8>, session: &Session) {
        let (kind, customer) = (session.kind, &session.customer);
        if kind.is_from_server() {
            text(out, r#"","context":{"library":{"name":"analytics-node","version":"2.2.1"}"#);
        } else if session.in_app {
            text(out, r#"","context":{"library":{"name":"analytics-swift","version":"1.7.3"}"#);
            text(out, r#","app":{"name":"Shop","version":"5.12.0","build":"51200"}"#);
            text(out, r#","device":{"type":"ios","manufacturer":"Apple","model":"iPhone16,1"}"#);
            text(out, r#","os":{"name":"iOS","version":"18.3"}"#);
        } else {
            text(out, r#"","context":{"library":{"name":"analytics.js","version":"2.11.1"}"#);
            text(out, r#","page":{"#);
            self.place(out, session);
            text(out, r#"},"userAgent":""#);
            text(out, customer.browser);
            text(out, "\"");
        }
        text(out, r#","locale":""#);
        text(out, customer.locale);
        text(out, r#"","timezone":""#);
        text(out, customer.zone);
        if !kind.is_from_server() {
            text(out, r#"","ip":""#);
            customer.ip(out);
        }
        text(out, "\"");
        if let (Some(campaign), Kind::Page | Kind::Screen) = (session.campaign, kind) {
            text(out, r#","campaign":"#);
            text(out, CAMPAIGNS[usize::from(campaign) % CAMPAIGNS.len()]);
        }
        if kind == Kind::ConsentUpdated {
            text(out, r#","consent":{"categoryPreferences":{"Advertising":"#);
            let mut choice = session.details();
            boolean(out, choice.chance(0.5));
            text(out, r#","email":"#);
            boolean(out, choice.chance(0.5));
            text(out, r#","sms":"#);
            boolean(out, choice.chance(0.3));
            text(out, "}}");
        }
        text(out, "}");
    }

    /// Where on the site it happens.
    fn place(&self, out: &mut Vec<u8>, session: &Session) {
        self.path_and_title(out, session);
        text(out, r#","url":"https://shop.example"#);
        self.path(out, session);
        text(out, "\"");
        if session.kind == Kind::Page {
            text(out, r#","referrer":""#);
            text(out, REFERRERS[(session.number & 3) as usize]);
            text(out, "\"");
        }
    }

    fn path_and_title(&self, out: &mut Vec<u8>, session: &Session) {
        text(out, r#""path":""#);
        self.path(out, session);
        text(out, r#"","title":""#);
        text(out, self.title(session));
        text(out, "\"");
    }

    fn path(&self, out: &mut Vec<u8>, session: &Session) {
        match session.kind {
            Kind::ListViewed => {
                text(out, "/c/");
                text(out, shelf(session).slug);
            }
            Kind::ProductsSearched => {
                text(out, "/search/");
                text(out, shelf(session).slug);
            }
            Kind::ProductViewed | Kind::ProductAdded => {
                text(out, "/p/");
                number(out, 1000 + u64::from(session.product));
            }
            Kind::ProductRemoved | Kind::CartViewed => text(out, "/cart"),
            Kind::CheckoutStarted => text(out, "/checkout"),
            Kind::OrderCompleted => text(out, "/checkout/thank-you"),
            Kind::SignedUp => text(out, "/register"),
            Kind::SignedIn | Kind::Identify => text(out, "/login"),
            Kind::TicketOpened => text(out, "/help/contact"),
            Kind::ConsentUpdated | Kind::Group => text(out, "/account/preferences"),
            Kind::ProductReviewed => text(out, "/account/reviews"),
            _ => text(out, if session.number.is_multiple_of(3) { "/sale" } else { "/" }),
        }
    }

    fn title<'a>(&'a self, session: &Session) -> &'a str {
        match session.kind {
            Kind::ProductViewed | Kind::ProductAdded => {
                &self.catalogue.product(session.product).name
            }
            Kind::ListViewed | Kind::ProductsSearched => shelf(session).name,
            Kind::ProductRemoved | Kind::CartViewed => "Your cart",
            Kind::CheckoutStarted => "Checkout",
            Kind::OrderCompleted => "Thank you",
            _ => "Fashion and more",
        }
    }

    fn page(&self, out: &mut Vec<u8>, session: &Session) {
        text(out, r#","name":""#);
        text(out, if session.number.is_multiple_of(3) { "Sale" } else { "Home" });
        text(out, r#"","properties":{"#);
        if session.kind == Kind::Page {
            self.path_and_title(out, session);
        } else {
            text(out, r#""tab":"discover""#);
        }
    }

    fn properties(&self, out: &mut Vec<u8>, session: &Session, event_ms: i64) {
        match session.kind {
            Kind::ProductsSearched => {
                text(out, r#""query":""#);
                text(out, shelf(session).name);
                text(out, "\"");
            }
            Kind::ListViewed => self.list(out, session),
            Kind::ProductViewed => {
                self.product(out, session.product);
                text(out, r#","currency":"EUR""#);
            }
            Kind::ProductAdded | Kind::ProductRemoved => {
                id(out, r#""cart_id":"cart-"#, session);
                text(out, ",");
                self.product(out, session.product);
                text(out, r#","currency":"EUR","quantity":"#);
                number(out, session.moved().into());
            }
            Kind::CartViewed => {
                id(out, r#""cart_id":"cart-"#, session);
                self.products(out, session);
            }
            Kind::CheckoutStarted
            | Kind::OrderCompleted
            | Kind::OrderConfirmed
            | Kind::OrderCancelled
            | Kind::OrderRefunded => self.order(out, session),
            Kind::OrderShipped | Kind::OutForDelivery | Kind::OrderDelivered => {
                id(out, r#""order_id":"ord-"#, session);
                id(out, r#","tracking":"trk-"#, session);
                text(out, r#","carrier":"InPost""#);
            }
            Kind::Wished | Kind::Unwished => {
                id(out, r#""wishlist_id":"wish-"#, session);
                text(out, ",");
                self.product(out, session.product);
            }
            Kind::ProductReviewed => {
                self.product(out, session.product);
                id(out, r#","review_id":"rev-"#, session);
                text(out, r#","rating":"#);
                let stars = [(5, 50), (4, 25), (3, 12), (2, 6), (1, 7)];
                number(out, *session.details().pick_weighted(&stars));
            }
            Kind::TicketOpened | Kind::TicketResolved => {
                id(out, r#""ticket_id":"tic-"#, session);
                choice(
                    out,
                    session,
                    "topic",
                    &["late delivery", "damaged", "return", "invoice", "sizing"],
                );
            }
            Kind::SignedUp | Kind::SignedIn => {
                text(out, r#""platform":""#);
                text(out, session.customer.platform());
                text(out, "\"");
                choice(out, session, "method", &["password", "google", "apple"]);
            }
            Kind::ConsentUpdated | Kind::Page | Kind::Screen | Kind::Identify | Kind::Group => {}
            Kind::ProductUpdated => self.record(out, session),
            _ => self.aftermath(out, session, event_ms),
        }
    }

    fn product(&self, out: &mut Vec<u8>, product: u16) {
        text(out, &self.catalogue.product(product).fields);
    }

    fn list(&self, out: &mut Vec<u8>, session: &Session) {
        text(out, r#""list_id":""#);
        text(out, shelf(session).slug);
        text(out, r#"","category":""#);
        text(out, shelf(session).name);
        text(out, r#"","products":[{"#);
        self.product(out, session.product);
        text(out, r#","position":1}]"#);
    }

    fn products(&self, out: &mut Vec<u8>, session: &Session) {
        text(out, r#","products":["#);
        for (place, &(product, quantity)) in session.cart().iter().enumerate() {
            text(out, if place == 0 { "{" } else { ",{" });
            self.product(out, product);
            text(out, r#","quantity":"#);
            number(out, quantity.into());
            text(out, "}");
        }
        text(out, "]");
    }

    fn order(&self, out: &mut Vec<u8>, session: &Session) {
        let mut details = session.details();
        let (names_cart, has_coupon) = (details.chance(0.7), details.chance(0.12));
        let subtotal = session.cart_cents(&self.catalogue);
        let discount = if has_coupon { subtotal / 10 } else { 0 };
        let revenue = subtotal - discount;
        let shipping = if revenue < FREE_SHIPPING_CENTS { SHIPPING_CENTS } else { 0 };
        id(out, r#""order_id":"ord-"#, session);
        if session.kind == Kind::OrderCompleted {
            id(out, r#","checkout_id":"chk-"#, session);
            if names_cart {
                id(out, r#","cart_id":"cart-"#, session);
            }
        }
        if has_coupon {
            text(out, r#","coupon":"TENOFF""#);
        }
        let amounts = [
            (r#","total":"#, revenue + shipping),
            (r#","subtotal":"#, subtotal),
            (r#","revenue":"#, revenue),
            (r#","shipping":"#, shipping),
            (r#","discount":"#, discount),
        ];
        for (key, cents) in amounts {
            text(out, key);
            money(out, cents);
        }
        text(out, r#","currency":"EUR""#);
        self.products(out, session);
    }
}

fn shelf(session: &Session) -> &'static Category {
    &CATEGORIES[usize::from(session.category) % CATEGORIES.len()]
}

/// Appends a key and the visit's number as an id, closing the quotation mark that `key` opened.
pub(super) fn id(out: &mut Vec<u8>, key: &str, session: &Session) {
    text(out, key);
    number(out, session.number.saturating_add(1_000_000));
    text(out, "\"");
}

/// Appends a property after others: one of these texts, the same whenever it is asked for.
pub(super) fn choice(out: &mut Vec<u8>, session: &Session, name: &str, of: &[&str]) {
    text(out, ",\"");
    text(out, name);
    text(out, "\":\"");
    text(out, session.details().pick::<&str>(of));
    text(out, "\"");
}

fn boolean(out: &mut Vec<u8>, value: bool) {
    text(out, if value { "true" } else { "false" });
}

fn traits(out: &mut Vec<u8>, session: &Session) {
    let customer = &session.customer;
    text(out, r#","traits":{"email":""#);
    customer.email(out);
    text(out, r#"","firstName":""#);
    text(out, customer.first_name);
    text(out, r#"","lastName":""#);
    text(out, customer.last_name);
    text(out, r#"","birthday":""#);
    customer.birthday(out);
    text(out, r#"","timezone":""#);
    text(out, customer.zone);
    text(out, r#"","createdAt":""#);
    date(out, customer.created_day);
    text(out, r#"T00:00:00.000Z","email_consent":"#);
    boolean(out, customer.wants_email);
    text(out, r#","sms_consent":"#);
    boolean(out, customer.wants_sms);
}

fn group(out: &mut Vec<u8>, session: &Session) {
    text(out, r#","groupId":"household-"#);
    number(out, session.customer.number / 2);
    text(out, r#"","traits":{"name":""#);
    text(out, session.customer.last_name);
    text(out, "\"");
}
