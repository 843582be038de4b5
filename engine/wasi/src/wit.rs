// What a component imports and exports, in the words of WIT.
use crate::Code;
use std::ffi::c_char;
use std::fmt::Write;
use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ResourceType, Type};

/// What has a name, in the interface that is written or in one before it.
#[derive(Default)]
struct Names {
    types: Vec<(Type, String)>,
    resources: Vec<(ResourceType, String)>,
}

impl Names {
    fn resource(&self, resource: &ResourceType) -> &str {
        self.resources.iter().rev().find(|(other, _)| other == resource).map_or("resource", |(_, name)| name)
    }

    fn of_type(&self, ty: &Type) -> String {
        match self.types.iter().rev().find(|(other, _)| other == ty) {
            Some((_, name)) => name.clone(),
            None => self.in_full(ty),
        }
    }

    fn list<'a>(&self, types: impl Iterator<Item = (&'a str, Option<Type>)>) -> String {
        let item = |(name, ty): (&str, Option<Type>)| match ty {
            Some(ty) if name.is_empty() => self.of_type(&ty),
            Some(ty) => format!("{name}: {}", self.of_type(&ty)),
            None => name.to_string(),
        };
        types.map(item).collect::<Vec<_>>().join(", ")
    }

    fn of(&self, word: &str, ty: Option<Type>) -> String {
        ty.map_or(word.to_string(), |ty| format!("{word}<{}>", self.of_type(&ty)))
    }

    fn in_full(&self, ty: &Type) -> String {
        let plain = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
        match ty {
            Type::Bool => "bool".into(),
            Type::S8 => "s8".into(),
            Type::U8 => "u8".into(),
            Type::S16 => "s16".into(),
            Type::U16 => "u16".into(),
            Type::S32 => "s32".into(),
            Type::U32 => "u32".into(),
            Type::S64 => "s64".into(),
            Type::U64 => "u64".into(),
            Type::Float32 => "f32".into(),
            Type::Float64 => "f64".into(),
            Type::Char => "char".into(),
            Type::String => "string".into(),
            Type::ErrorContext => "error-context".into(),
            Type::List(list) => format!("list<{}>", self.of_type(&list.ty())),
            Type::FixedLengthList(list) => format!("list<{}, {}>", self.of_type(&list.ty()), list.len()),
            Type::Map(map) => format!("map<{}, {}>", self.of_type(&map.key()), self.of_type(&map.value())),
            Type::Option(option) => format!("option<{}>", self.of_type(&option.ty())),
            Type::Future(future) => self.of("future", future.ty()),
            Type::Stream(stream) => self.of("stream", stream.ty()),
            Type::Own(resource) => self.resource(resource).into(),
            Type::Borrow(resource) => format!("borrow<{}>", self.resource(resource)),
            Type::Tuple(tuple) => format!("tuple<{}>", self.list(tuple.types().map(|ty| ("", Some(ty))))),
            Type::Record(record) => format!("record {{ {} }}", self.list(record.fields().map(|field| (field.name, Some(field.ty))))),
            Type::Enum(names) => format!("enum {{ {} }}", plain(&mut names.names())),
            Type::Flags(names) => format!("flags {{ {} }}", plain(&mut names.names())),
            Type::Variant(variant) => {
                let case = |name: &str, ty: Option<Type>| ty.map_or(name.into(), |ty| format!("{name}({})", self.of_type(&ty)));
                let cases: Vec<String> = variant.cases().map(|one| case(one.name, one.ty)).collect();
                format!("variant {{ {} }}", cases.join(", "))
            }
            Type::Result(result) => match (result.ok(), result.err()) {
                (None, None) => "result".into(),
                (ok, None) => self.of("result", ok),
                (ok, Some(err)) => format!("result<{}, {}>", ok.map_or("_".into(), |ok| self.of_type(&ok)), self.of_type(&err)),
            },
        }
    }

    fn of_func(&self, func: &ComponentFunc) -> String {
        let word = if func.async_() { "async func" } else { "func" };
        let params = self.list(func.params().map(|(name, ty)| (name, Some(ty))));
        let result = self.list(func.results().map(|ty| ("", Some(ty))));
        if result.is_empty() { format!("{word}({params})") } else { format!("{word}({params}) -> {result}") }
    }

    /// A type's definition. What is not the same as others of its shape has that name from here on.
    fn define(&mut self, name: &str, ty: Type) -> String {
        let words = self.in_full(&ty);
        let kind = match ty {
            Type::Record(_) | Type::Variant(_) | Type::Enum(_) | Type::Flags(_) => words.split_once(' '),
            _ => None,
        };
        let Some((kind, rest)) = kind else { return format!("type {name} = {words};") };
        self.types.push((ty, name.to_string()));
        format!("{kind} {name} {rest}")
    }

    fn item(&mut self, engine: &Engine, name: &str, item: ComponentItem, indent: &str, out: &mut String) {
        let line = match item {
            ComponentItem::ComponentFunc(func) => format!("{name}: {};", self.of_func(&func)),
            ComponentItem::Resource(resource) => {
                self.resources.push((resource, name.to_string()));
                format!("resource {name};")
            }
            ComponentItem::Type(ty) => self.define(name, ty),
            ComponentItem::CoreFunc(_) | ComponentItem::Module(_) => format!("{name}: core module;"),
            ComponentItem::Component(_) => format!("{name}: component;"),
            ComponentItem::ComponentInstance(instance) => {
                let mut inner = format!("{name} {{\n");
                for (name, part) in instance.exports(engine) {
                    inner.push_str(indent);
                    inner.push_str("    ");
                    self.item(engine, name, part.ty, &format!("{indent}    "), &mut inner);
                }
                format!("{inner}{indent}}}")
            }
        };
        let _ = writeln!(out, "{line}");
    }
}

fn describe(component: &Component) -> String {
    let (engine, ty) = (component.engine(), component.component_type());
    let mut names = Names::default();
    let mut out = String::from("world {\n");
    for (name, item) in ty.imports(engine) {
        out.push_str("    import ");
        names.item(engine, name, item.ty, "    ", &mut out);
    }
    for (name, item) in ty.exports(engine) {
        out.push_str("    export ");
        names.item(engine, name, item.ty, "    ", &mut out);
    }
    out.push_str("}\n");
    out
}

pub unsafe extern "C" fn component_describe(code: *const Code, len: *mut usize) -> *mut c_char {
    let Code::Component(component) = (unsafe { &*code }) else { return std::ptr::null_mut() };
    let text = describe(component).into_bytes().into_boxed_slice();
    unsafe { *len = text.len() };
    Box::into_raw(text) as *mut c_char
}

pub unsafe extern "C" fn text_free(text: *mut c_char, len: usize) {
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(text as *mut u8, len)) });
}
