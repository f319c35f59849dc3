//! What the shop sells: a fixed assortment, the same for every seed, with the JSON fragments that
//! events repeat rendered once.

use crate::sim::rng::Rng;

/// Products in a category.
const PER_CATEGORY: usize = 100;

/// One article.
#[derive(Debug)]
pub struct Product {
    pub name: String,
    pub price_cents: u32,
    /// `"product_id":"p1042","sku":…,"price":129.99`, without braces.
    pub fields: String,
}

/// A shelf of the shop.
#[derive(Debug)]
pub struct Category {
    pub name: &'static str,
    /// As in an address: `winter-coats`.
    pub slug: &'static str,
    nouns: &'static [&'static str],
    from_cents: u32,
    to_cents: u32,
}

macro_rules! category {
    ($name:literal, $slug:literal, $from:literal..$to:literal, $($noun:literal),+) => {
        Category {
            name: $name,
            slug: $slug,
            nouns: &[$($noun),+],
            from_cents: $from * 100,
            to_cents: $to * 100,
        }
    };
}

/// The shelves; the earlier, the more visited.
pub const CATEGORIES: &[Category] = &[
    category!("winter coats", "winter-coats", 80..400, "Parka", "Down Jacket", "Wool Coat"),
    category!("boots", "boots", 60..250, "Chelsea Boots", "Hiking Boots", "Snow Boots"),
    category!("shirts", "shirts", 15..80, "Oxford Shirt", "Linen Shirt", "Flannel Shirt"),
    category!("groceries", "groceries", 1..15, "Coffee 500 g", "Olive Oil", "Muesli", "Honey"),
    category!("jeans", "jeans", 40..130, "Slim Jeans", "Straight Jeans", "Relaxed Jeans"),
    category!("dresses", "dresses", 35..180, "Midi Dress", "Wrap Dress", "Knit Dress"),
    category!("sneakers", "sneakers", 45..190, "Runner", "Court Shoe", "Trail Shoe"),
    category!("knitwear", "knitwear", 30..160, "Cardigan", "Crew Jumper", "Turtleneck"),
    category!("accessories", "accessories", 8..90, "Scarf", "Beanie", "Leather Belt", "Gloves"),
    category!("bags", "bags", 25..300, "Tote", "Backpack", "Weekender"),
    category!("home", "home", 10..220, "Blanket", "Table Lamp", "Cushion", "Vase"),
    category!("beauty", "beauty", 5..70, "Hand Cream", "Face Serum", "Shampoo"),
];

const STYLES: &[&str] = &[
    "Alpine", "Classic", "Coastal", "Everyday", "Heritage", "Nordic", "Organic", "Studio", "Urban",
];
const BRANDS: &[&str] =
    &["Nordvik", "Marlow & Finch", "Baltica", "Ostrava", "Lumen", "Hartwell", "Solano"];

/// The assortment, shelf by shelf.
#[derive(Debug)]
pub struct Catalogue {
    products: Vec<Product>,
}

impl Catalogue {
    /// The assortment, the same every time.
    pub fn new() -> Self {
        let products = (0..CATEGORIES.len() * PER_CATEGORY).map(product).collect();
        Catalogue { products }
    }

    /// The article of that number.
    pub fn product(&self, number: u16) -> &Product {
        &self.products[usize::from(number) % self.products.len()]
    }
}

/// The number of an article from that shelf; a few of each shelf are looked at most of the time.
pub fn draw_product(rng: &mut Rng, category: u8) -> u16 {
    let rank = skewed(rng, PER_CATEGORY);
    (usize::from(category) % CATEGORIES.len() * PER_CATEGORY + rank) as u16
}

/// A shelf, the first ones most often.
pub fn draw_category(rng: &mut Rng) -> u8 {
    skewed(rng, CATEGORIES.len()) as u8
}

/// A number in `0..n`, of which half fall into the first quarter.
fn skewed(rng: &mut Rng, n: usize) -> usize {
    let unit = rng.unit();
    (unit * unit * n as f64) as usize
}

fn product(number: usize) -> Product {
    let category = &CATEGORIES[number / PER_CATEGORY];
    let mut rng = Rng::stream(0, number as u64);
    let name = format!("{} {}", rng.pick(STYLES), rng.pick(category.nouns));
    let brand = rng.pick(BRANDS);
    // Shops like prices that end in 99 or 50.
    let cents = rng.between(category.from_cents.into(), category.to_cents.into()) as u32 / 100
        * 100
        + rng.pick(&[99, 99, 50]);
    let fields = format!(
        concat!(
            r#""product_id":"p{id}","sku":"{sku}-{id}","category":"{category}","name":"{name}","#,
            r#""brand":"{brand}","price":{units}.{cents:02}"#,
        ),
        id = 1000 + number,
        name = name,
        brand = brand,
        sku = category.slug[..3].to_ascii_uppercase(),
        category = category.name,
        units = cents / 100,
        cents = cents % 100,
    );
    Product { name, price_cents: cents, fields }
}
