//! What is asked of the catalogue: a product's record, its accessories, and what goes with it.
//!
//! Such answers move when the catalogue does. They are worked out where something happens, and nowhere where an answer is
//! followed while nothing happens.

use super::{Checked, Checker, Typed, list_of};
use crate::define::compile::types::Type;
use crate::define::plan::Expr;
use cel::common::ast::{CallExpr, Expr as Cel, IdedExpr, SelectExpr};

impl Checker<'_, '_> {
    /// `product(x).a.b`; none if it is something else.
    pub(super) fn product(&mut self, select: &SelectExpr) -> Option<Checked> {
        let mut path = vec![select.field.clone()];
        let mut node = &*select.operand;
        while let Cel::Select(inner) = &node.expr {
            path.push(inner.field.clone());
            node = &inner.operand;
        }
        path.reverse();
        match &node.expr {
            Cel::Call(call) if call.func_name == "product" => {
                Some(self.of_product(node, call, &path))
            }
            _ => None,
        }
    }

    fn of_product(&mut self, node: &IdedExpr, call: &CallExpr, path: &[String]) -> Checked {
        let mut args: Vec<&IdedExpr> = call.target.iter().map(|target| &**target).collect();
        args.extend(&call.args);
        let [x] = args.as_slice() else { return self.no_such_call(node, "product", args.len()) };
        let record = self.catalogue(node, "product")?;
        let products = self.products(x)?;
        self.property_slip(node, &[record], path);
        let (slot, of) = self.compiler.property(&[record], path);
        // Of several products, the values of all of them; a list is put in with them.
        let of = match (&products.of, of) {
            (Type::List(_), Type::List(of)) => list_of(*of),
            (Type::List(_), of) => list_of(of),
            // One or several, which is known only when it is there.
            (Type::Any, _) => Type::Any,
            (_, of) => of,
        };
        Some(Typed::new(Expr::Product(slot, Box::new(products.expr)), of))
    }

    pub(super) fn before(&mut self, node: &IdedExpr, path: &[String]) -> Checked {
        let kinds = self.scope.before.expect("the caller asked");
        self.property_slip(node, kinds, path);
        let (slot, of) = self.compiler.property(kinds, path);
        Some(Typed::new(Expr::Before(slot), of))
    }

    pub(super) fn accessories(&mut self, node: &IdedExpr, x: &IdedExpr) -> Checked {
        self.catalogue(node, "accessories")?;
        let catalogue = self.compiler.pack.catalogue.as_ref();
        if catalogue.is_none_or(|catalogue| catalogue.accessory_of.is_none()) {
            let hint = "add it: catalogue: { accessory_of: the property that names them }";
            let message = "the catalogue does not say what an accessory is for";
            self.mistake(node, message.into(), Some(hint.into()));
            return None;
        }
        let products = self.products(x)?;
        Some(Typed::new(Expr::Accessories(Box::new(products.expr)), list_of(Type::Str)))
    }

    pub(super) fn related(
        &mut self,
        node: &IdedExpr,
        name: &str,
        x: &IdedExpr,
        n: &IdedExpr,
    ) -> Checked {
        self.catalogue(node, name)?;
        let (relation, said) = self.compiler.relation(name)?;
        if !said {
            let message = format!("the catalogue does not say by which fact products are {name}");
            let hint = format!("add it: catalogue: {{ {name}: the fact }}");
            self.mistake(node, message, Some(hint));
            return None;
        }
        let (products, n) = (self.products(x), self.expect(n, &Type::Number));
        let both = Box::new([products?.expr, n?.expr]);
        Some(Typed::new(Expr::Related(relation, both), list_of(Type::Str)))
    }

    pub(super) fn without(&mut self, a: &IdedExpr, b: &IdedExpr) -> Checked {
        let any = list_of(Type::Any);
        let (a, b) = (self.expect(a, &any), self.expect(b, &any));
        let (a, b) = (a?, b?);
        let of = a.of.clone();
        Some(Typed::new(Expr::Without(Box::new([a.expr, b.expr])), of))
    }

    pub(super) fn take(&mut self, a: &IdedExpr, n: &IdedExpr) -> Checked {
        let (a, n) = (self.expect(a, &list_of(Type::Any)), self.expect(n, &Type::Number));
        let (a, n) = (a?, n?);
        let of = a.of.clone();
        Some(Typed::new(Expr::Take(Box::new([a.expr, n.expr])), of))
    }

    /// One product or a list of them.
    fn products(&mut self, x: &IdedExpr) -> Checked {
        let products = self.visit(x)?;
        let fits = match &products.of {
            Type::List(of) => of.fits(&Type::Str),
            of => of.fits(&Type::Str) || *of == Type::Number,
        };
        if !fits {
            self.mistake(x, format!("{} is no product", products.of), None);
            return None;
        }
        Some(products)
    }

    /// The kind of the records, if the catalogue can be asked here.
    fn catalogue(&mut self, node: &IdedExpr, name: &str) -> Option<crate::event::Kind> {
        if self.scope.followed {
            let message = format!(
                "{name}() is not known here: a condition that is followed all the time does not see the catalogue change"
            );
            let hint = "keep a fact of it, or let the catalogue tell: catalogue: { tell: … }";
            self.mistake(node, message, Some(hint.into()));
            return None;
        }
        let kind = self.compiler.record_kind();
        if kind.is_none() {
            let hint = "add it: catalogue: {}".to_string();
            self.mistake(node, "there is no catalogue".into(), Some(hint));
        }
        kind
    }
}
