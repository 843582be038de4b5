// For each exported function of plain numbers one more that calls it settings::BATCH times: its arguments are those of all calls, one
// behind the other, and so are its results. So C enters guest code once for all of them. What comes here may be no module at all: it is
// read to its end or left as it is, and what is made of it is checked like any other.
use crate::settings::{BATCH, BATCH_PREFIX};

/// Of an exported function; the more, the more of them would go by memory.
const PARAMS_MOST: usize = 4;
/// Functions that are made; code of a module with more exports is better not grown.
const FUNCTIONS_MOST: usize = 256;

const TYPES: u8 = 1;
const IMPORTS: u8 = 2;
const FUNCTIONS: u8 = 3;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        if len > self.bytes.len() {
            return None;
        }
        let (taken, rest) = self.bytes.split_at(len);
        self.bytes = rest;
        Some(taken)
    }

    /// LEB128; of a signed one the value is of no use.
    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn index(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// There is nothing more.
    fn end(&self) -> Option<()> {
        self.bytes.is_empty().then_some(())
    }

    fn name(&mut self) -> Option<&'a [u8]> {
        let len = self.index()?;
        self.take(len)
    }

    /// The type's first byte: numbers have no more.
    fn value_type(&mut self) -> Option<u8> {
        let first = self.byte()?;
        match first {
            0x7b..=0x7f | 0x69..=0x74 => {}
            0x63 | 0x64 => {
                self.number()?;
            }
            _ => return None,
        }
        Some(first)
    }

    fn value_types(&mut self) -> Option<Vec<u8>> {
        (0..self.index()?).map(|_| self.value_type()).collect()
    }

    fn limits(&mut self) -> Option<()> {
        let flags = self.byte()?;
        self.number()?;
        if flags & 1 != 0 {
            self.number()?;
        }
        if flags & 8 != 0 {
            self.number()?;
        }
        Some(())
    }
}

fn put_number(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

type Signature = (Vec<u8>, Vec<u8>);

fn types(bytes: &[u8]) -> Option<Vec<Signature>> {
    let mut r = Reader { bytes };
    let mut types = Vec::new();
    for _ in 0..r.index()? {
        if r.byte()? != 0x60 {
            return None;
        }
        types.push((r.value_types()?, r.value_types()?));
    }
    r.end()?;
    Some(types)
}

/// The types of imported functions, which come first in the order of all functions.
fn imported(bytes: &[u8]) -> Option<Vec<usize>> {
    let mut r = Reader { bytes };
    let mut functions = Vec::new();
    for _ in 0..r.index()? {
        r.name()?;
        r.name()?;
        match r.byte()? {
            0 => functions.push(r.index()?),
            1 => {
                r.value_type()?;
                r.limits()?;
            }
            2 => r.limits()?,
            3 => {
                r.value_type()?;
                r.byte()?;
            }
            4 => {
                r.byte()?;
                r.number()?;
            }
            _ => return None,
        }
    }
    r.end()?;
    Some(functions)
}

fn exported<'a>(bytes: &'a [u8]) -> Option<Vec<(&'a [u8], usize)>> {
    let mut r = Reader { bytes };
    let mut functions = Vec::new();
    for _ in 0..r.index()? {
        let name = r.name()?;
        if name.starts_with(BATCH_PREFIX.as_bytes()) {
            return None;
        }
        let kind = r.byte()?;
        let index = r.index()?;
        if kind == 0 {
            functions.push((name, index));
        }
    }
    r.end()?;
    Some(functions)
}

struct Batch<'a> {
    name: &'a [u8],
    index: usize,
    signature: &'a Signature,
}

fn is_plain(signature: &Signature) -> bool {
    let (params, results) = signature;
    let plain = |types: &[u8]| types.iter().all(|ty| (0x7c..=0x7f).contains(ty));
    !params.is_empty() && params.len() <= PARAMS_MOST && results.len() <= 1 && plain(params) && plain(results)
}

/// The section's items and, behind them, what is added.
fn grown(section: &[u8], count: usize, added: &[u8]) -> Option<Vec<u8>> {
    let mut r = Reader { bytes: section };
    let mut out = Vec::new();
    put_number(&mut out, r.index()? + count);
    out.extend_from_slice(r.bytes);
    out.extend_from_slice(added);
    Some(out)
}

fn put_types(out: &mut Vec<u8>, types: &[u8]) {
    put_number(out, types.len() * BATCH);
    for _ in 0..BATCH {
        out.extend_from_slice(types);
    }
}

fn body(batch: &Batch) -> Vec<u8> {
    let mut code = vec![0]; // no locals
    for local in 0..BATCH * batch.signature.0.len() {
        code.push(0x20); // local.get
        put_number(&mut code, local);
        if (local + 1) % batch.signature.0.len() == 0 {
            code.push(0x10); // call
            put_number(&mut code, batch.index);
        }
    }
    code.push(0x0b); // end
    code
}

/// The module with its batches, if it can have some.
pub fn add(module: &[u8]) -> Option<Vec<u8>> {
    let mut sections: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut r = Reader { bytes: module };
    let head = r.take(8)?;
    while !r.bytes.is_empty() {
        let id = r.byte()?;
        let len = r.index()?;
        sections.push((id, r.take(len)?.to_vec()));
    }
    let find = |id: u8| sections.iter().find(|section| section.0 == id).map(|section| section.1.as_slice());
    let types = types(find(TYPES)?)?;
    let mut functions = match find(IMPORTS) {
        Some(bytes) => imported(bytes)?,
        None => Vec::new(),
    };
    let mut own = Reader { bytes: find(FUNCTIONS)? };
    for _ in 0..own.index()? {
        functions.push(own.index()?);
    }
    own.end()?;
    let mut code = Reader { bytes: find(CODE)? };
    for _ in 0..code.index()? {
        code.name()?;
    }
    code.end()?;
    let mut batches = Vec::new();
    for (name, index) in exported(find(EXPORTS)?)? {
        let signature = types.get(*functions.get(index)?)?;
        if is_plain(signature) && batches.len() < FUNCTIONS_MOST {
            batches.push(Batch { name, index, signature });
        }
    }

    if batches.is_empty() {
        return None;
    }
    let (mut new_types, mut new_functions, mut new_exports, mut new_code) = (vec![], vec![], vec![], vec![]);
    for (i, batch) in batches.iter().enumerate() {
        new_types.push(0x60);
        put_types(&mut new_types, &batch.signature.0);
        put_types(&mut new_types, &batch.signature.1);
        put_number(&mut new_functions, types.len() + i);
        put_number(&mut new_exports, BATCH_PREFIX.len() + batch.name.len());
        new_exports.extend_from_slice(BATCH_PREFIX.as_bytes());
        new_exports.extend_from_slice(batch.name);
        new_exports.push(0);
        put_number(&mut new_exports, functions.len() + i);
        let body = body(batch);
        put_number(&mut new_code, body.len());
        new_code.extend_from_slice(&body);
    }
    let mut out = head.to_vec();
    for (id, bytes) in &sections {
        let added = match *id {
            TYPES => &new_types,
            FUNCTIONS => &new_functions,
            EXPORTS => &new_exports,
            CODE => &new_code,
            _ => &Vec::new(),
        };
        let bytes = if added.is_empty() { bytes.clone() } else { grown(bytes, batches.len(), added)? };
        out.push(*id);
        put_number(&mut out, bytes.len());
        out.extend_from_slice(&bytes);
    }
    Some(out)
}
