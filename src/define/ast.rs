//! What a pack's author wrote, with the place of every word.
//!
//! The tree keeps `Option`s, names and spans; nothing here is resolved or type-checked. [`crate::define::compile`]
//! turns it into a plan without either. The slow oracle interprets this tree directly.

mod policy;

pub use policy::{
    Cap, ConsentProof, ConsentRule, Exclusive, Gap, HoldOut, Holiday, LookAhead, OnLimit, Policy,
    QuietHours, Scope, Suppress, Throttle,
};

use std::sync::Arc;

/// A place in a pack: which file (index into [`Pack::files`]), line and column (both from 1, in characters), length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub file: u16,
    pub line: u32,
    pub col: u32,
    pub len: u32,
}

impl Span {
    /// Where a pack begins: the place of what stands nowhere in it.
    pub const START: Span = Span { file: 0, line: 1, col: 1, len: 1 };
}

/// A written thing and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    pub node: T,
    pub span: Span,
}

/// A written name (of an event, fact, segment, journey, channel, tag, …).
pub type Name = Spanned<String>;

/// One file of the pack: its path as shown to people, and its text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub path: String,
    pub text: Arc<str>,
}

/// All definitions of one pack, in the order of files (sorted by path) and of lines.
#[derive(Clone, Debug, Default)]
pub struct Pack {
    pub files: Vec<SourceFile>,
    pub events: Vec<EventDecl>,
    pub currency: Option<Currency>,
    pub sessions: Option<Sessions>,
    /// `ignore:` identifiers such as `anonymous:bot-7`, whose events do not count.
    pub ignore: Vec<Name>,
    pub identity: Option<Identity>,
    pub groups: Vec<GroupDef>,
    pub catalogue: Option<Catalogue>,
    /// `forget_after:` how long nothing may be seen of a person without a strong identifier.
    pub forget_after: Option<Millis>,
    pub facts: Vec<FactDef>,
    pub segments: Vec<SegmentDef>,
    pub journeys: Vec<JourneyDef>,
    pub policy: Option<Policy>,
    pub tests: Vec<TestDef>,
}

/// A CEL expression: the text, where it stands, and the tree of the `cel` crate's parser.
/// `offsets` maps a node's id to its first character (index in `text`), for messages that point inside.
#[derive(Clone, Debug)]
pub struct Expr {
    pub text: String,
    pub span: Span,
    pub tree: Arc<cel::common::ast::IdedExpr>,
    pub offsets: Arc<std::collections::BTreeMap<u64, u32>>,
}

/// Milliseconds; written `90s`, `30m`, `1h`, `2d`, `1w` or a sum of them such as `1d 12h`.
pub type Millis = Spanned<i64>;

/// Local wall-clock time, minutes after midnight; written `"09:30"`.
pub type ClockTime = Spanned<u16>;

/// `identity:` which identifiers there are, and when several are one person.
#[derive(Clone, Debug)]
pub struct Identity {
    pub span: Span,
    /// Strongest first.
    pub identifiers: Vec<IdentifierDef>,
    pub most_identifiers: Option<Spanned<u32>>,
    pub most_owners: Option<Spanned<u32>>,
    pub placeholders: Vec<Name>,
}

/// One kind of identifier.
#[derive(Clone, Debug)]
pub struct IdentifierDef {
    pub name: Name,
    /// Properties and traits in which it stands.
    pub of: Vec<Name>,
    /// The `type` of those of `context.externalIds` that it is.
    pub external: Option<Name>,
    pub form: IdentifierForm,
    /// For telephone numbers that do not begin with `+`.
    pub country: Option<Name>,
    pub strong: bool,
}

/// What makes two spellings of an identifier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifierForm {
    Text,
    Email,
    Phone,
}

impl IdentifierDef {
    /// What is meant if only the name is said: e-mail addresses and telephone numbers stand where everybody writes them.
    pub fn built_in(name: Name) -> IdentifierDef {
        let form = match name.node.as_str() {
            "email" => IdentifierForm::Email,
            "phone" => IdentifierForm::Phone,
            _ => IdentifierForm::Text,
        };
        let of = match form {
            IdentifierForm::Text => Vec::new(),
            _ => vec![name.clone()],
        };
        let strong = name.node == "user";
        IdentifierDef { name, of, external: None, form, country: None, strong }
    }

    /// Whether it has a place of its own in the envelope.
    pub fn is_built_in(&self) -> bool {
        matches!(self.name.node.as_str(), "user" | "anonymous")
    }
}

/// `events:` one declared event and the types of its properties (dotted paths for nested ones).
#[derive(Clone, Debug)]
pub struct EventDecl {
    pub name: Name,
    pub properties: Vec<(Name, Spanned<PropertyType>)>,
}

/// One entry of `groups:`: `account: { on: group, of: event.groupId, until: Left Account }`.
#[derive(Clone, Debug)]
pub struct GroupDef {
    pub name: Name,
    /// The events that say of a person to which group it belongs; empty: `group` calls.
    pub on: Vec<Name>,
    /// Which group that is; absent: the call's `groupId`.
    pub of: Option<Expr>,
    pub condition: Option<Expr>,
    /// The events after which a person belongs to none any more.
    pub until: Vec<Name>,
}

/// `catalogue:` what there is to sell, who is told of its changes, and what goes with what.
#[derive(Clone, Debug)]
pub struct Catalogue {
    pub span: Span,
    /// The events that are records of products; absent: `Product Updated`.
    pub on: Option<Name>,
    /// The property that names the product; absent: `product_id`.
    pub product: Option<Name>,
    /// The property of an accessory that names what it is for.
    pub accessory_of: Option<Name>,
    pub tell: Vec<NoticeDef>,
    /// The facts whose products make others similar to them, or bought together with them, by being held by the same person.
    pub similar: Option<Name>,
    pub bought_together: Option<Name>,
}

/// One entry of `catalogue: tell:`, by the name of the event that persons get.
#[derive(Clone, Debug)]
pub struct NoticeDef {
    pub event: Name,
    /// The facts that make a product a person's concern.
    pub to: Vec<Name>,
    /// Which changes are told: `event.…` is the record as it is now, `before.…` as it was.
    pub when: Expr,
}

/// The declared type of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyType {
    String,
    Number,
    Boolean,
    /// RFC 3339 instant, or milliseconds since the epoch.
    Time,
    /// A calendar date `YYYY-MM-DD`.
    Date,
    /// A number in the currency that the event's `currency` property names; read in the pack's base currency.
    Money,
}

/// `currency:` the base currency, what one unit of another is worth in it, and what counts when the event names none.
#[derive(Clone, Debug)]
pub struct Currency {
    pub base: Name,
    /// Rates as exact decimal text has been read to millionths of the base currency.
    pub rates: Vec<(Name, Spanned<i64>)>,
    pub default: Option<Name>,
}

/// `sessions:` what belongs to a session (empty: every event) and the silence that ends it.
#[derive(Clone, Debug)]
pub struct Sessions {
    pub gap: Millis,
    pub of: Vec<Name>,
}

/// One entry of `facts:`.
#[derive(Clone, Debug)]
pub struct FactDef {
    pub name: Name,
    /// `for: account`: kept of groups, out of what their members do.
    pub group: Option<Name>,
    pub kind: FactKind,
}

/// What kind of fact it is, by the first key of its definition.
#[derive(Clone, Debug)]
pub enum FactKind {
    /// `{ trait: email, type: string }`
    Trait { name: Name, of_type: Option<Spanned<PropertyType>> },
    /// `{ sum: Order Completed, of: …, where: …, over: 7d, … }`
    Fold(FoldDef),
    /// `{ basket: Product Added, minus: …, until: …, of: …, quantity: …, price: …, per: cart_id }`
    Basket(BasketDef),
}

/// What is made of the values that events contribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    Count,
    Sum,
    Min,
    Max,
    Average,
    First,
    Last,
    /// The number of different values.
    Distinct,
    /// The last k different values, newest last, each once at its latest place.
    Recent,
    /// The most frequent value; of equally frequent ones the one seen last.
    Top,
}

/// A fact that is an aggregate over events.
#[derive(Clone, Debug)]
pub struct FoldDef {
    pub aggregate: Spanned<Aggregate>,
    pub on: Vec<Name>,
    pub of: Option<Expr>,
    pub condition: Option<Expr>,
    pub window: Option<Spanned<Window>>,
    /// `per: cart_id`: one value per value of this property.
    pub per: Option<Name>,
    /// Subtracts (count, sum) or removes the value (distinct, recent, top).
    pub minus: Vec<Name>,
    /// Starts again from nothing.
    pub until: Vec<Name>,
    /// `recent` only.
    pub keep: Option<Spanned<u32>>,
}

/// A fact that is a basket of products.
#[derive(Clone, Debug)]
pub struct BasketDef {
    pub on: Vec<Name>,
    pub minus: Vec<Name>,
    pub until: Vec<Name>,
    pub of: Option<Expr>,
    pub quantity: Option<Expr>,
    pub price: Option<Expr>,
    pub per: Option<Name>,
}

/// The stretch of time, up to t, whose contributions count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// (t − d, t]
    Sliding(i64),
    /// The calendar period that holds t, in the person's time zone.
    Calendar(Period),
}

pub use crate::time::zone::Period;

/// One entry of `segments:`; a list has no condition and changes only by `add_to` and `remove_from`.
#[derive(Clone, Debug)]
pub struct SegmentDef {
    pub name: Name,
    pub kind: SegmentKind,
}

/// What decides who is in a segment.
#[derive(Clone, Debug)]
pub enum SegmentKind {
    When(Expr),
    List,
}

/// One entry of `journeys:`.
#[derive(Clone, Debug)]
pub struct JourneyDef {
    pub name: Name,
    /// `for: account`: groups go through it.
    pub group: Option<Name>,
    pub enter: Enter,
    pub exit: Vec<Exit>,
    /// 0 (least) to 100; default 50.
    pub priority: Option<Spanned<u32>>,
    pub valid_for: Option<Millis>,
    pub suppress_while: Option<Name>,
    /// `on_change: follow`: instances of an earlier version go over to this one.
    pub follow: bool,
    pub steps: Vec<Spanned<Step>>,
    /// The journey's definition as written, from which its version is derived.
    pub text: String,
}

/// `enter:`: what makes a person enter a journey.
#[derive(Clone, Debug)]
pub struct Enter {
    pub span: Span,
    pub trigger: EnterTrigger,
    /// `where:` (about the event) for `on`; `when:` for the others. Both land here.
    pub condition: Option<Expr>,
    pub per: Option<Name>,
    pub again: Again,
}

/// The occasion on which a journey is entered.
#[derive(Clone, Debug)]
pub enum EnterTrigger {
    /// `on:` one or several events.
    Event(Vec<Name>),
    /// `entered: SEGMENT`
    Entered(Name),
    /// `left: SEGMENT`
    Left(Name),
    /// `date: FACT`, `every: year|once`, `offset: -7d` (whole days), `at: "09:00"` (default 00:00).
    Date { fact: Name, yearly: bool, offset_days: Spanned<i32>, at: Option<ClockTime> },
    /// `quiet_for: 60d`, `of: [events]` (empty: every event).
    Silence { quiet_for: Millis, of: Vec<Name> },
}

/// `again:`: whether, and when, somebody who has been in a journey may enter it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Again {
    Never,
    #[default]
    AfterExit,
    /// No open instance, and at least this long after the last entry.
    After(i64),
    Always,
}

/// One entry of `exit:`.
#[derive(Clone, Debug)]
pub struct Exit {
    pub span: Span,
    pub rule: ExitRule,
    pub goal: bool,
    /// `value: event.total`
    pub value: Option<Expr>,
}

/// What ends an instance before its last step.
#[derive(Clone, Debug)]
pub enum ExitRule {
    /// `on: Order Completed`, `where: event.order_id == entry.order_id`
    Event { on: Vec<Name>, condition: Option<Expr> },
    /// `when: size(cart.product_ids) == 0`
    When(Expr),
}

/// One entry of `steps:`.
#[derive(Clone, Debug)]
pub enum Step {
    Wait(Wait),
    Choose(Vec<Branch>),
    Split(Vec<Arm>),
    Send(Send),
    Emit {
        event: Name,
        with: Vec<(Name, Expr)>,
    },
    /// `set: { loyalty: "gold" }`
    Set(Vec<(Name, Expr)>),
    AddTo(Name),
    RemoveFrom(Name),
    End,
}

/// What a `wait` step waits for.
#[derive(Clone, Debug)]
pub enum Wait {
    /// `wait: 1h`
    For(Millis),
    /// `wait: { until: "10:00" }`: the next such time, now included.
    UntilTime(ClockTime),
    /// `wait: { until: day 2 at 10:00 }`: day 1 is the calendar day of the entry.
    UntilDay { day: Spanned<u32>, at: ClockTime },
    /// `wait: { until: warranty_end - 14d at 10:00 }`; without `at`, a date means its midnight, a time itself.
    UntilFact { fact: Name, offset: Millis, at: Option<ClockTime> },
    /// `wait: { instant: entry.at + days(product(key).lasts_days), at: "10:00" }`: the instant that comes out when the step is
    /// reached, or that clock time of its local day.
    UntilInstant { instant: Expr, at: Option<ClockTime> },
    /// `wait: { quiet_for: 1h, of: [Product Added] }`; empty `of`: every event.
    Quiet { quiet_for: Millis, of: Vec<Name> },
    /// `wait: { on: Product Reviewed, where: …, timeout: 14d, then: [...], else: [...] }`
    Event {
        on: Vec<Name>,
        condition: Option<Expr>,
        timeout: Millis,
        then: Vec<Spanned<Step>>,
        otherwise: Vec<Spanned<Step>>,
    },
}

/// One branch of `choose:`; `when` is absent for `else`, which is last.
#[derive(Clone, Debug)]
pub struct Branch {
    pub span: Span,
    pub when: Option<Expr>,
    pub steps: Vec<Spanned<Step>>,
}

/// One arm of `split:`.
#[derive(Clone, Debug)]
pub struct Arm {
    pub name: Name,
    /// In hundredths of a per cent (45 % is 4500), so that 33.33 can be said.
    pub share: Spanned<u32>,
    pub hold_out: bool,
    pub steps: Vec<Spanned<Step>>,
}

/// `send: { channel: email, template: cart-reminder, with: { … } }`
#[derive(Clone, Debug)]
pub struct Send {
    pub channel: Name,
    pub template: Name,
    /// Default `marketing`.
    pub purpose: Option<Name>,
    pub tags: Vec<Name>,
    pub valid_for: Option<Millis>,
    /// While a segment suppresses it, it waits until that is left; else it is dropped.
    pub waits_out: bool,
    pub with: Vec<(Name, Expr)>,
}

/// One entry of `tests:`: a script in the language of `dataflows/README.md`, kept as lines with their places.
#[derive(Clone, Debug)]
pub struct TestDef {
    pub name: Name,
    pub lines: Vec<Spanned<String>>,
}
