//! One visitor's way through the shop, as a state machine: an event happens, the next is chosen.
//! Knows neither JSON nor what other visitors do.

use super::catalogue::{self, Catalogue};
use super::customer::Customer;
use crate::sim::rng::Rng;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The share of what would be visits in which the shop changes a product.
const UPDATES: f64 = 0.008;

/// The most lines that a cart of this shop can have.
pub const CART_LINES_MAX: usize = 6;

/// Declares what can happen, each with the name of its tracked event; of other calls, the call.
macro_rules! kinds {
    ($($kind:ident $name:literal),+ $(,)?) => {
        /// What can happen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($kind),+
        }

        impl Kind {
            /// All of them, each at the place of its own number.
            pub const ALL: [Kind; [$($name),+].len()] = [$(Kind::$kind),+];

            /// The name of the tracked event; of other calls, the call.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name),+
                }
            }
        }
    };
}

kinds! {
    Page "page",
    Screen "screen",
    Identify "identify",
    Group "group",
    ProductsSearched "Products Searched",
    ListViewed "Product List Viewed",
    ProductViewed "Product Viewed",
    ProductAdded "Product Added",
    ProductRemoved "Product Removed",
    Wished "Product Added to Wishlist",
    Unwished "Product Removed from Wishlist",
    CartViewed "Cart Viewed",
    CheckoutStarted "Checkout Started",
    OrderCompleted "Order Completed",
    PaymentFailed "Payment Failed",
    PaymentSucceeded "Payment Succeeded",
    OrderConfirmed "Order Confirmed",
    OrderShipped "Order Shipped",
    OutForDelivery "Out For Delivery",
    OrderDelivered "Order Delivered",
    OrderCancelled "Order Cancelled",
    OrderRefunded "Order Refunded",
    ProductReviewed "Product Reviewed",
    SignedUp "Signed Up",
    SignedIn "Signed In",
    ApplicationInstalled "Application Installed",
    TicketOpened "Ticket Opened",
    TicketResolved "Ticket Resolved",
    ConsentUpdated "Segment Consent Preference Updated",
    Unsubscribed "Unsubscribed",
    Subscribed "Subscribed",
    MessageDelivered "Message Delivered",
    MessageOpened "Message Opened",
    MessageClicked "Message Clicked",
    MessageBounced "Message Bounced",
    MessageComplained "Message Complained",
    EmailConfirmed "Email Confirmed",
    CouponIssued "Coupon Issued",
    CouponRedeemed "Coupon Redeemed",
    InviteSent "Invite Sent",
    FriendJoined "Friend Joined",
    FriendOrdered "Friend Ordered",
    ReferralAccepted "Referral Accepted",
    SubscriptionStarted "Subscription Started",
    SubscriptionCancelled "Subscription Cancelled",
    StageChanged "Stage Changed",
    MeetingHeld "Meeting Held",
    LegalBlockSet "Legal Block Set",
    LegalBlockLifted "Legal Block Lifted",
    ProductUpdated "Product Updated",
}

impl Kind {
    /// Whether it is Segment's `track` call.
    pub fn is_track(self) -> bool {
        !matches!(self, Kind::Page | Kind::Screen | Kind::Identify | Kind::Group)
    }

    /// Whether the shop's back office reports it, and not the visitor's device.
    pub fn is_from_server(self) -> bool {
        use Kind::*;
        let is_of_order = matches!(
            self,
            PaymentFailed
                | PaymentSucceeded
                | OrderConfirmed
                | OrderShipped
                | OutForDelivery
                | OrderDelivered
                | OrderCancelled
                | OrderRefunded
        );
        let is_of_message = matches!(
            self,
            MessageDelivered | MessageOpened | MessageClicked | MessageBounced | MessageComplained
        );
        let is_of_others = matches!(
            self,
            TicketResolved
                | CouponIssued
                | FriendJoined
                | FriendOrdered
                | SubscriptionStarted
                | SubscriptionCancelled
                | StageChanged
                | MeetingHeld
                | LegalBlockSet
                | LegalBlockLifted
                | ProductUpdated
        );
        is_of_order || is_of_message || is_of_others
    }

    /// What follows it inside a visit, by weight; `None` leaves the shop. Of what happens outside of one there is nothing.
    fn followers(self) -> &'static [(Option<Kind>, u32)] {
        use Kind::*;
        match self {
            Page | Screen => &[
                (Some(ListViewed), 35),
                (Some(ProductViewed), 25),
                (Some(ProductsSearched), 14),
                (Some(Page), 14),
                (None, 12),
            ],
            Identify | Group | ConsentUpdated => &[(Some(Page), 1)],
            ProductsSearched => &[(Some(ProductViewed), 70), (Some(ListViewed), 18), (None, 12)],
            ListViewed => {
                &[(Some(ProductViewed), 70), (Some(ListViewed), 12), (Some(Page), 10), (None, 8)]
            }
            ProductViewed => &[
                (Some(ProductViewed), 38),
                (Some(Page), 18),
                (Some(ListViewed), 14),
                (Some(ProductAdded), 13),
                (Some(ProductsSearched), 4),
                (Some(Wished), 1),
                (None, 12),
            ],
            Wished => &[(Some(ProductViewed), 80), (Some(Unwished), 5), (None, 15)],
            Unwished => &[(Some(ProductViewed), 70), (None, 30)],
            ProductAdded => &[
                (Some(ProductViewed), 38),
                (Some(CartViewed), 36),
                (Some(ListViewed), 14),
                (None, 12),
            ],
            ProductRemoved => &[(Some(ProductViewed), 45), (Some(CartViewed), 35), (None, 20)],
            CartViewed => &[
                (Some(CheckoutStarted), 38),
                (Some(ProductViewed), 24),
                (Some(ProductRemoved), 10),
                (None, 28),
            ],
            CheckoutStarted => &[(Some(OrderCompleted), 66), (Some(CartViewed), 8), (None, 26)],
            SignedUp | SignedIn => &[(Some(Identify), 1)],
            _ => &[],
        }
    }
}

/// What comes, and between which times after.
type Consequence = (Kind, i64, i64);

/// What comes of something by itself, hours and days later, by weight; and within which time each. Of a kind that is not there
/// nothing comes.
fn consequences(kind: Kind) -> &'static [(Option<Consequence>, u32)] {
    use Kind::*;
    match kind {
        OrderCompleted => &[
            (Some((OrderConfirmed, MINUTE / 2, 10 * MINUTE)), 92),
            (Some((PaymentFailed, MINUTE / 2, 10 * MINUTE)), 4),
            (Some((TicketOpened, HOUR, 2 * DAY)), 1),
            (None, 3),
        ],
        PaymentFailed => &[
            (Some((PaymentSucceeded, 10 * MINUTE, 6 * DAY)), 60),
            (Some((OrderCancelled, DAY, 5 * DAY)), 10),
            (None, 30),
        ],
        PaymentSucceeded => &[(Some((OrderConfirmed, MINUTE / 2, 10 * MINUTE)), 1)],
        OrderConfirmed => &[
            (Some((OrderShipped, 3 * HOUR, 2 * DAY)), 94),
            (Some((OrderCancelled, 10 * MINUTE, 12 * HOUR)), 3),
            (Some((OrderShipped, 3 * DAY, 6 * DAY)), 3),
        ],
        OrderShipped => &[(Some((OutForDelivery, 10 * HOUR, 2 * DAY)), 97), (None, 3)],
        OutForDelivery => &[(Some((OrderDelivered, HOUR, 9 * HOUR)), 1)],
        OrderDelivered => &[
            (Some((ProductReviewed, 6 * HOUR, 9 * DAY)), 15),
            (Some((TicketOpened, HOUR, 2 * DAY)), 3),
            (Some((OrderRefunded, 2 * DAY, 12 * DAY)), 4),
            (None, 78),
        ],
        TicketOpened => &[(Some((TicketResolved, 30 * MINUTE, 2 * DAY)), 92), (None, 8)],
        ProductReviewed => &[(Some((InviteSent, 2 * HOUR, 10 * DAY)), 25), (None, 75)],
        InviteSent => &[(Some((FriendJoined, HOUR, 9 * DAY)), 40), (None, 60)],
        FriendJoined => &[(Some((FriendOrdered, HOUR, 20 * DAY)), 50), (None, 50)],
        MessageDelivered => &[(Some((MessageOpened, MINUTE, 3 * DAY)), 40), (None, 60)],
        MessageOpened => &[(Some((MessageClicked, SECOND, 5 * MINUTE)), 30), (None, 70)],
        MessageBounced => &[(Some((EmailConfirmed, HOUR, 20 * DAY)), 30), (None, 70)],
        CouponIssued => &[(Some((CouponRedeemed, HOUR, 6 * DAY)), 25), (None, 75)],
        SubscriptionStarted => &[(Some((SubscriptionCancelled, DAY, 20 * DAY)), 10), (None, 90)],
        StageChanged => &[(Some((MeetingHeld, DAY, 9 * DAY)), 30), (None, 70)],
        LegalBlockSet => &[(Some((LegalBlockLifted, DAY, 9 * DAY)), 90), (None, 10)],
        _ => &[],
    }
}

/// How a visitor comes to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogIn {
    /// From the first event on.
    AtStart,
    /// On the way.
    SignsIn,
    /// On the way, for the first time ever.
    SignsUp,
    /// Not in this visit.
    Never,
}

/// A visit, and what comes of it later. Its fields describe the event that happens now.
#[derive(Clone, Debug)]
pub struct Session {
    rng: Rng,
    /// Each visit has its own; the ids of its cart, its order and its ticket are made from it.
    pub number: u64,
    pub customer: Customer,
    /// Which of her devices she uses.
    pub device: u8,
    log_in: LogIn,
    /// Whether events carry `userId`.
    pub known: bool,
    /// Whether she uses the shop's app, and not a browser.
    pub in_app: bool,
    /// Which campaign brought her here.
    pub campaign: Option<u8>,
    pub kind: Kind,
    /// The shelf she stands at.
    pub category: u8,
    /// The article she looks at.
    pub product: u16,
    /// Article and quantity.
    cart: [(u16, u8); CART_LINES_MAX],
    cart_lines: u8,
    moved: u8,
    returned: bool,
}

impl Session {
    /// A visit at its first event.
    pub fn new(mut rng: Rng, number: u64, customer: Customer, log_in: LogIn) -> Self {
        let known = log_in == LogIn::AtStart;
        let category = catalogue::draw_category(&mut rng);
        let in_app = rng.chance(0.06);
        let first = match (known && rng.chance(0.15), in_app) {
            _ if rng.chance(UPDATES) => Kind::ProductUpdated,
            (true, _) => Kind::Identify,
            (false, true) => Kind::Screen,
            (false, false) => Kind::Page,
        };
        Session {
            number,
            customer,
            device: u8::from(rng.chance(0.3)),
            log_in,
            known,
            in_app,
            campaign: rng.chance(0.18).then(|| rng.below(4) as u8),
            kind: first,
            category,
            product: catalogue::draw_product(&mut rng, category),
            cart: [(0, 0); CART_LINES_MAX],
            cart_lines: 0,
            moved: 0,
            returned: false,
            rng,
        }
    }

    /// What is in the cart: number and quantity of each article.
    pub fn cart(&self) -> &[(u16, u8)] {
        &self.cart[..usize::from(self.cart_lines)]
    }

    /// What the cart costs.
    pub fn cart_cents(&self, catalogue: &Catalogue) -> u64 {
        let cents = |&(product, quantity): &(u16, u8)| {
            u64::from(catalogue.product(product).price_cents) * u64::from(quantity)
        };
        self.cart().iter().map(cents).sum()
    }

    /// How many pieces of the article she looks at were just put into the cart or taken out.
    pub fn moved(&self) -> u8 {
        self.moved
    }

    /// Chance for what an event of this visit tells, the same whenever it is asked for: an order is
    /// cancelled with the coupon with which it was placed.
    pub fn details(&self) -> Rng {
        Rng::stream(self.number, self.customer.number)
    }

    /// Goes on to the next event, and says after how many milliseconds it happens; `None` if this
    /// was the last.
    pub fn advance(&mut self) -> Option<i64> {
        let (kind, after_ms) = match self.kind {
            kind if !kind.followers().is_empty() => self.next_step()?,
            kind if !consequences(kind).is_empty() => self.later()?,
            _ => return None,
        };
        self.enter(kind);
        Some(after_ms)
    }

    /// The next step of a visit under way.
    fn next_step(&mut self) -> Option<(Kind, i64)> {
        if matches!(self.kind, Kind::SignedUp | Kind::SignedIn) {
            return Some((Kind::Identify, self.rng.between(20, 200)));
        }
        let Some(kind) = *self.rng.pick_weighted(self.kind.followers()) else {
            return self.leave();
        };
        let after_ms = self.thinking_ms();
        let must_log_in = kind == Kind::CheckoutStarted;
        if !self.known && self.log_in != LogIn::Never && (must_log_in || self.rng.chance(0.2)) {
            let signs_up = self.log_in == LogIn::SignsUp;
            return Some((if signs_up { Kind::SignedUp } else { Kind::SignedIn }, after_ms));
        }
        let needs_cart = matches!(kind, Kind::CartViewed | Kind::ProductRemoved);
        let kind = match kind {
            Kind::ProductAdded if self.cart().len() == CART_LINES_MAX => Kind::CartViewed,
            Kind::CheckoutStarted if self.cart_lines == 0 => Kind::ProductViewed,
            _ if needs_cart && self.cart_lines == 0 => Kind::ProductViewed,
            Kind::Page if self.in_app => Kind::Screen,
            kind => kind,
        };
        Some((kind, after_ms))
    }

    /// What comes of a visit that ends without an order.
    fn leave(&mut self) -> Option<(Kind, i64)> {
        if self.cart_lines > 0 && !self.returned && self.rng.chance(0.2) {
            self.returned = true;
            return Some((Kind::CartViewed, self.rng.between(20 * MINUTE, 8 * HOUR)));
        }
        if !self.known {
            return None;
        }
        let kind = *self.rng.pick_weighted(&[
            (None, 859),
            (Some(Kind::TicketOpened), 9),
            (Some(Kind::ConsentUpdated), 9),
            (Some(Kind::Group), 7),
            (Some(Kind::MessageDelivered), 60),
            (Some(Kind::MessageBounced), 6),
            (Some(Kind::MessageComplained), 1),
            (Some(Kind::Unsubscribed), 6),
            (Some(Kind::Subscribed), 3),
            (Some(Kind::ApplicationInstalled), 6),
            (Some(Kind::CouponIssued), 15),
            (Some(Kind::ReferralAccepted), 3),
            (Some(Kind::SubscriptionStarted), 5),
            (Some(Kind::StageChanged), 10),
            (Some(Kind::LegalBlockSet), 1),
        ]);
        kind.map(|kind| (kind, self.thinking_ms()))
    }

    /// What comes of an order or a ticket, hours and days later. A guest's is not followed up.
    fn later(&mut self) -> Option<(Kind, i64)> {
        if !self.known {
            return None;
        }
        let (kind, from_ms, to_ms) = (*self.rng.pick_weighted(consequences(self.kind)))?;
        Some((kind, self.rng.between(from_ms, to_ms)))
    }

    /// What changes when the event happens.
    fn enter(&mut self, kind: Kind) {
        self.kind = kind;
        match kind {
            Kind::SignedUp | Kind::SignedIn => self.known = true,
            Kind::ListViewed | Kind::ProductsSearched if self.rng.chance(0.25) => {
                self.category = catalogue::draw_category(&mut self.rng);
            }
            Kind::ProductViewed => {
                self.product = catalogue::draw_product(&mut self.rng, self.category);
            }
            Kind::ProductAdded => self.put_into_cart(),
            Kind::ProductRemoved => {
                let line = self.rng.below(self.cart_lines.into()) as usize;
                (self.product, self.moved) = self.cart[line];
                self.cart_lines -= 1;
                self.cart.swap(line, self.cart_lines.into());
            }
            Kind::ProductReviewed if self.cart_lines > 0 => {
                let line = self.rng.below(self.cart_lines.into()) as usize;
                self.product = self.cart[line].0;
            }
            _ => {}
        }
    }

    fn put_into_cart(&mut self) {
        self.moved = *self.rng.pick_weighted(&[(1, 88), (2, 9), (3, 3)]);
        let (product, lines) = (self.product, usize::from(self.cart_lines));
        match self.cart[..lines].iter_mut().find(|line| line.0 == product) {
            Some(line) => line.1 = line.1.saturating_add(self.moved),
            None => {
                self.cart[lines] = (product, self.moved);
                self.cart_lines += 1;
            }
        }
    }

    /// Seconds between two clicks, mostly; now and then something else comes up.
    fn thinking_ms(&mut self) -> i64 {
        if self.rng.chance(0.02) {
            return self.rng.between(5 * MINUTE, 50 * MINUTE);
        }
        let unit = self.rng.unit();
        1500 + (unit * unit * 75_000.0) as i64
    }
}
