// onnxruntime-node runs stored tests of operators: prints each with "right", "wrong" or the error.
const fs = require('fs');
const path = require('path');
const { clocked } = require('./clock.js');
const ort = require('onnxruntime-node');

const types = { 1: 'float32', 2: 'uint8', 3: 'int8', 4: 'uint16', 5: 'int16', 6: 'int32', 7: 'int64', 8: 'string',
  9: 'bool', 10: 'float16', 11: 'float64', 12: 'uint32', 13: 'uint64' };
const arrays = { float32: Float32Array, uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array,
  int32: Int32Array, int64: BigInt64Array, bool: Uint8Array, float16: Uint16Array, float64: Float64Array,
  uint32: Uint32Array, uint64: BigUint64Array };

/** The fields of a message: [number, value], a value being a BigInt or bytes. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const size = { 0: 0, 1: 8, 2: -1, 5: 4 }[key & 7];
    if (size === 0) { yield [key >> 3, varint()]; continue; }
    const length = size < 0 ? Number(varint()) : size;
    yield [key >> 3, bytes.subarray(at, at += length)];
  }
}
/** A repeated number, packed or not. */
function* varints(value) {
  if (typeof value === 'bigint') { yield value; return; }
  let at = 0;
  while (at < value.length) {
    let number = 0n, shift = 0n, byte;
    do { byte = value[at++]; number |= BigInt(byte & 127) << shift; shift += 7n; } while (byte > 127);
    yield number;
  }
}

/** A stored tensor as {name, tensor}; null where this interface has no such type. */
function stored(file) {
  const dims = [], numbers = [], strings = [], fixed = [];
  let type = 0, name = '', raw = null;
  for (const [number, value] of fields(fs.readFileSync(file))) {
    if (number === 1) dims.push(...varints(value));
    else if (number === 2) type = Number(value);
    else if (number === 4 || number === 10) fixed.push(value);
    else if (number === 5 || number === 7 || number === 11) numbers.push(...varints(value));
    else if (number === 6) strings.push(Buffer.from(value).toString());
    else if (number === 8) name = Buffer.from(value).toString();
    else if (number === 9) raw = value;
  }
  const word = types[type];
  if (!word) return null;
  const shape = dims.map(Number);
  if (word === 'string') return { name, tensor: new ort.Tensor('string', strings, shape) };
  const bytes = raw ?? (fixed.length ? Buffer.concat(fixed) : null);
  const Elements = arrays[word];
  const data = bytes ? new Elements(new Uint8Array(bytes).buffer)
    : Elements.BYTES_PER_ELEMENT === 8 ? Elements.from(numbers) : Elements.from(numbers, (n) => Number(BigInt.asIntN(64, n)));
  return { name, tensor: new ort.Tensor(word, data, shape) };
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, part = bits & 1023;
  if (exponent === 31) return part ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + part / 1024) * 2 ** (exponent - 15) : (part / 1024) * 2 ** -14);
}
function same(a, b) {
  if (a.type !== b.type || String(a.dims) !== String(b.dims)) return false;
  const number = a.type === 'float16' ? half : Number;
  const [relative, absolute] = a.type === 'float16' ? [1e-2, 1e-2] : [1e-3, 1e-5];
  for (let i = 0; i < a.data.length; ++i) {
    if (a.data[i] === b.data[i]) continue;
    if (a.type === 'string' || typeof a.data[i] === 'bigint') return false;
    const x = number(a.data[i]), y = number(b.data[i]);
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    if (!(Math.abs(x - y) <= absolute + relative * Math.abs(y))) return false;
  }
  return true;
}

async function outcome(folder) {
  const data = path.join(folder, 'test_data_set_0');
  const read = (word) => {
    const files = fs.readdirSync(data).filter((file) => file.startsWith(word));
    return Array.from(files, (_, i) => stored(path.join(data, `${word}_${i}.pb`)));
  };
  let inputs, expected;
  try {
    [inputs, expected] = [read('input'), read('output')];
  } catch {
    return 'no tensors';
  }
  if (inputs.includes(null) || expected.includes(null)) return 'no tensors';
  const session = await ort.InferenceSession.create(path.join(folder, 'model.onnx'), { logSeverityLevel: 4 });
  try {
    const feeds = {};
    inputs.forEach(({ name, tensor }, i) => { feeds[session.inputNames.includes(name) ? name : session.inputNames[i]] = tensor; });
    const results = await session.run(feeds);
    return expected.every(({ tensor }, i) => same(results[session.outputNames[i]], tensor)) ? 'right' : 'wrong';
  } finally {
    await session.release();
  }
}

clocked(async () => {
  const root = process.argv[2];
  for (const name of fs.readdirSync(root).sort()) {
    const line = await outcome(path.join(root, name)).catch((error) => `error: ${error.message.split('\n')[0]}`);
    console.log(name, line);
  }
});
