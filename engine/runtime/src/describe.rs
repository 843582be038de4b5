// What a module imports and exports, in a form that C reads. One block of memory that owns all that its items point to.
use nexus_wasi::Code;
use nexus_wasi::settings::BATCH_PREFIX;
use std::ffi::c_char;
use wasmtime::{ExternType, HeapType, ValType};

#[repr(C)]
struct Text {
    data: *const c_char,
    len: usize,
}

/// engine.h has the same.
#[repr(C)]
pub struct Item {
    module: Text,
    name: Text,
    kind: u32,
    /// Of a global, or of a table's elements.
    code: u8,
    mutable: bool,
    shared: bool,
    is_64: bool,
    params: *const u8,
    param_count: usize,
    results: *const u8,
    result_count: usize,
    minimum: u64,
    /// u64::MAX: none.
    maximum: u64,
    page_size: u64,
}

#[repr(C)]
pub struct Description {
    imports: *const Item,
    import_count: usize,
    exports: *const Item,
    export_count: usize,
    owned: Box<Owned>,
}

#[derive(Default)]
struct Owned {
    items: Vec<Vec<Item>>,
    bytes: Vec<Box<[u8]>>,
}

/// nx_wasm_type of <nexus/wasm.h>.
pub fn code_of_type(ty: &ValType) -> u8 {
    match ty {
        ValType::I32 => 1,
        ValType::I64 => 2,
        ValType::F32 => 3,
        ValType::F64 => 4,
        ValType::V128 => 5,
        ValType::Ref(reference) => match reference.heap_type() {
            HeapType::Func | HeapType::NoFunc | HeapType::ConcreteFunc(_) => 6,
            HeapType::Extern | HeapType::NoExtern => 7,
            _ => 8,
        },
    }
}

pub fn type_of_code(code: u8) -> ValType {
    match code {
        2 => ValType::I64,
        3 => ValType::F32,
        4 => ValType::F64,
        5 => ValType::V128,
        _ => ValType::I32,
    }
}

impl Owned {
    fn keep(&mut self, bytes: Vec<u8>) -> *const u8 {
        self.bytes.push(bytes.into_boxed_slice());
        self.bytes[self.bytes.len() - 1].as_ptr()
    }

    fn text(&mut self, text: &str) -> Text {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        Text { data: self.keep(bytes) as *const c_char, len: text.len() }
    }

    fn item(&mut self, module: &str, name: &str, ty: ExternType) -> Item {
        let mut item = Item {
            module: self.text(module),
            name: self.text(name),
            kind: 0,
            code: 0,
            mutable: false,
            shared: false,
            is_64: false,
            params: std::ptr::null(),
            param_count: 0,
            results: std::ptr::null(),
            result_count: 0,
            minimum: 0,
            maximum: u64::MAX,
            page_size: 0,
        };
        match ty {
            ExternType::Func(func) => {
                item.kind = 1;
                item.param_count = func.params().len();
                item.params = self.keep(func.params().map(|ty| code_of_type(&ty)).collect());
                item.result_count = func.results().len();
                item.results = self.keep(func.results().map(|ty| code_of_type(&ty)).collect());
            }
            ExternType::Memory(memory) => {
                item.kind = 2;
                item.minimum = memory.minimum();
                item.maximum = memory.maximum().unwrap_or(u64::MAX);
                item.shared = memory.is_shared();
                item.is_64 = memory.is_64();
                item.page_size = memory.page_size();
            }
            ExternType::Global(global) => {
                item.kind = 3;
                item.code = code_of_type(global.content());
                item.mutable = global.mutability().is_var();
            }
            ExternType::Table(table) => {
                item.kind = 4;
                item.code = code_of_type(&ValType::Ref(table.element().clone()));
                item.minimum = table.minimum();
                item.maximum = table.maximum().unwrap_or(u64::MAX);
                item.is_64 = table.is_64();
            }
            ExternType::Tag(_) => item.kind = 5,
        }
        item
    }
}

pub unsafe extern "C" fn code_describe(code: *const Code) -> *mut Description {
    let Code::Module(module) = (unsafe { &*code }) else { return std::ptr::null_mut() };
    let mut owned = Box::<Owned>::default();
    let imports: Vec<Item> = module.imports().map(|import| owned.item(import.module(), import.name(), import.ty())).collect();
    let exports: Vec<Item> = module
        .exports()
        .filter(|export| !export.name().starts_with(BATCH_PREFIX))
        .map(|export| owned.item("", export.name(), export.ty()))
        .collect();
    owned.items = vec![imports, exports];
    let description = Description {
        imports: owned.items[0].as_ptr(),
        import_count: owned.items[0].len(),
        exports: owned.items[1].as_ptr(),
        export_count: owned.items[1].len(),
        owned,
    };
    Box::into_raw(Box::new(description))
}

pub unsafe extern "C" fn description_free(description: *mut Description) {
    drop(unsafe { Box::from_raw(description) });
}
