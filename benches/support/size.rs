//! How large a benchmark is: small when it runs as a test, large under `cargo bench`, or what a variable says.

/// The value of the variable `name`, else `large` under `cargo bench`, else `small`.
pub fn size(name: &str, small: u64, large: u64) -> u64 {
    let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
    let given = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    // `cargo bench -- --test` says both.
    let full = given("--bench") && !given("--test");
    set.unwrap_or(if full { large } else { small })
}
