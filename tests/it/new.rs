//! `kairos new`: every journey of the catalogue begins a pack that checks and tests; what is there is never touched.

use crate::cli::{fails, run, text, well};
use kairos::define::ast::Pack;
use kairos::define::compile::{Keep, compile};
use kairos::define::files::read_pack;
use kairos::define::parse::parse;
use std::fs;
use std::path::Path;

fn pack(path: &Path) -> Pack {
    let (pack, mistakes) = parse(&read_pack(path).unwrap());
    assert!(mistakes.is_empty());
    pack
}

fn catalogue() -> Pack {
    pack(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/dataflows/retail")))
}

#[test]
fn every_journey_of_the_catalogue_begins_a_pack() {
    let dir = tempfile::tempdir().unwrap();
    let listed = well(dir.path(), "new --list");
    for journey in &catalogue().journeys {
        let name = &journey.name.node;
        assert!(listed.lines().any(|line| line.starts_with(name)), "{name} in\n{listed}");
        let said = well(dir.path(), &format!("new my-{name} --like {name} --pack {name}"));
        assert!(said.contains(&format!("wrote {name}/my-{name}.yaml: ")), "{said}");
        well(dir.path(), &format!("check {name}"));
        well(dir.path(), &format!("test {name}"));
        let begun = pack(&dir.path().join(name));
        let written =
            fs::read_to_string(dir.path().join(format!("{name}/my-{name}.yaml"))).unwrap();
        assert_eq!(begun.journeys[0].name.node, format!("my-{name}"), "{written}");
        assert!(!written.contains(&format!(" in journey {name}\n")), "{written}");
        // Whatever stands there is read by something.
        let plan = compile(&begun, Keep::Used).unwrap();
        for fact in &begun.facts {
            assert!(plan.fact_named(&fact.name.node).is_some(), "{name}: {}", fact.name.node);
        }
    }
}

#[test]
fn what_the_pack_has_already_is_not_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    well(path, "init shop");
    // An amount that is declared to be money is another fact than one that is not.
    let events = "events:\n  Order Completed: { total: money }\n  Order Cancelled: { total: money }\n  \
                  Product Added: { cart_id: string, product_id: string, category: string, price: money, quantity: number }\n  \
                  Product Removed: { cart_id: string, product_id: string, quantity: number }\n\
                  currency: { base: EUR, default: EUR }\n";
    fs::write(path.join("shop/events.yaml"), events).unwrap();
    let output = run(path, "new left-cart --like abandoned-cart --pack shop");
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
    assert!(said.contains("in the pack already: ") && said.contains("cart, orders"), "{said}");
    let written = fs::read_to_string(path.join("shop/left-cart.yaml")).unwrap();
    for there in ["  cart:", "currency:", "policy:"] {
        assert!(!written.contains(there), "{there} in\n{written}");
    }
    well(path, "check shop");
    // Both carts send: the starter's tests say so, and so does the command.
    let warned = text(&output.stderr);
    assert!(
        warned.contains("a test of the pack does not hold any more: both reminders"),
        "{warned}"
    );
}

#[test]
fn nothing_is_overwritten_and_nothing_written_where_it_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    well(path, "new thanks --like review --pack shop");
    let before = fs::read_to_string(path.join("shop/thanks.yaml")).unwrap();
    let said = fails(path, 3, "new thanks --like welcome --pack shop");
    assert!(said.contains("shop/thanks.yaml is there already"), "{said}");
    assert_eq!(fs::read_to_string(path.join("shop/thanks.yaml")).unwrap(), before);
    fs::rename(path.join("shop/thanks.yaml"), path.join("shop/other.yaml")).unwrap();
    let said = fails(path, 3, "new thanks --like welcome --pack shop");
    assert!(said.contains("the pack has a journey thanks already"), "{said}");
    let said = fails(path, 1, "new hello --like welcom --pack shop");
    assert!(said.contains("did you mean \"welcome\"?"), "{said}");
    for name in ["../hello", ".hello", "a/b", "Hello"] {
        let said = fails(path, 2, &format!("new {name} --like welcome --pack shop"));
        assert!(said.contains("is no name for a journey"), "{said}");
    }
    fails(path, 2, "new hello");
    // A clash of meaning, of an event's property and of a segment.
    for (clash, said) in [
        (
            "events: { Order Delivered: { order_id: number } }\n",
            "declares order_id of Order Delivered",
        ),
        (
            "facts: { last_rating: { count: Product Reviewed } }\n",
            "another fact called last_rating than the journey needs, at clash/pack.yaml:1:10",
        ),
    ] {
        fs::create_dir_all(path.join("clash")).unwrap();
        fs::write(path.join("clash/pack.yaml"), clash).unwrap();
        let told = fails(path, 3, "new thanks --like review --pack clash");
        assert!(told.contains(said), "{told}");
        assert_eq!(fs::read_dir(path.join("clash")).unwrap().count(), 1);
    }
    fs::write(path.join("clash/pack.yaml"), "facts: { x: { cuont: page } }\n").unwrap();
    let told = fails(path, 1, "new thanks --like review --pack clash");
    assert!(told.contains("clash/pack.yaml:1:"), "{told}");
}

#[test]
fn who_is_who_in_the_pack_is_its_own_business() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    fs::create_dir(path.join("shop")).unwrap();
    let own = "identity: { identifiers: [user, email, anonymous] }\nforget_after: 30d\n\
               facts: { orders: { count: Order Completed } }\nsegments: { buyers: orders > 0 }\n";
    fs::write(path.join("shop/own.yaml"), own).unwrap();
    well(path, "new hello --like welcome --pack shop");
    well(path, "test shop");
}

#[test]
fn journeys_of_one_file_and_the_same_one_twice_go_into_a_pack() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    for (name, like) in [("a", "friend-joined"), ("b", "friend-reward"), ("c", "friend-reward")] {
        let said = well(path, &format!("new {name} --like {like} --pack shop"));
        assert!(said.contains(&format!("wrote shop/{name}.yaml: ")), "{said}");
        well(path, "check shop");
    }
    let second = fs::read_to_string(path.join("shop/b.yaml")).unwrap();
    assert!(second.contains("each friend counts once") && second.contains(" (b)\n"), "{second}");
}

#[test]
fn another_catalogue_can_be_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    fs::create_dir(path.join("ours")).unwrap();
    let ours = "# Hellos. And more.\n\nfacts:\n    unused: { count: page }\n    seen: { count: Product Viewed }\n\
                journeys:\n    # Says hello.\n    hello: # at once\n        enter: { on: Signed Up }\n        steps:\n            - send: { channel: email, template: hi, with: { n: seen } }\n    \
                bye: { enter: { on: Shop Left }, steps: [ { send: { channel: email, template: bye } } ] }\n\
                tests:\n    - name: hello\n      script: |\n        09:00 anna Signed Up\n        expect anna send email hi\n        # a comment\n\n        expect anna not in journey hello\n";
    fs::write(path.join("ours/pack.yaml"), ours).unwrap();
    let listed = well(path, "new --list --from ours");
    assert!(listed.contains("bye      Hellos\nhello    Says hello\n"), "{listed}");
    well(path, "new greet --like hello --from ours --pack shop");
    let expected = "# Says hello.\n# Begun from hello of the catalogue.\n\nfacts:\n  seen: { count: Product Viewed }\n\n\
                    journeys:\n  greet: # at once\n      enter: { on: Signed Up }\n      steps:\n          - send: { channel: email, template: hi, with: { n: seen } }\n\n\
                    tests:\n  - name: hello\n    script: |\n      09:00 anna Signed Up\n      expect anna send email hi\n      # a comment\n\n      expect anna not in journey greet\n";
    assert_eq!(fs::read_to_string(path.join("shop/greet.yaml")).unwrap(), expected);
    well(path, "test shop");
}
