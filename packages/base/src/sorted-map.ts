import { entryAt, invariant } from "./assert.ts";

/** Most entries of a node. */
const WIDTH = 32;

/**
 * Node of the tree. A leaf holds values; any other node holds children, and `keys` are the lower bounds of these.
 * Keys below all bounds are in the first child; this happens on the left edge of the tree only.
 */
interface Node<K, V> {
  /** Edit that may change this node in place. */
  readonly owner: object;
  readonly keys: K[];
  /** undefined in a leaf. */
  readonly children: Node<K, V>[] | undefined;
  readonly values: V[];
}

type Key = string | number;

/** Index of the last key that is at most `key`; −1 if there is none. */
function floorOf<K extends Key>(keys: readonly K[], key: K): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as K) <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Leaf in which `key` is, or would be. */
function leafOf<K extends Key, V>(root: Node<K, V>, key: K): Node<K, V> {
  let node = root;
  while (node.children !== undefined) node = node.children[Math.max(0, floorOf(node.keys, key))] as Node<K, V>;
  return node;
}

function find<K extends Key, V>(root: Node<K, V>, key: K): V | undefined {
  const { keys, values } = leafOf(root, key);
  const at = floorOf(keys, key);
  return at >= 0 && keys[at] === key ? values[at] : undefined;
}

function contains<K extends Key, V>(root: Node<K, V>, key: K): boolean {
  const { keys } = leafOf(root, key);
  const at = floorOf(keys, key);
  return at >= 0 && keys[at] === key;
}

function* leaves<K extends Key, V>(node: Node<K, V>): Generator<Node<K, V>, undefined> {
  if (node.children === undefined) yield node;
  else for (const child of node.children) yield* leaves(child);
}

/**
 * Immutable map, sorted by key: a B-tree whose versions share unchanged nodes, so a change costs O(log n). Keys are
 * compared with `<`.
 */
export class SortedMap<K extends Key, V> implements ReadonlyMap<K, V> {
  readonly #root: Node<K, V>;
  readonly size: number;

  private constructor(root: Node<K, V>, size: number) {
    this.#root = root;
    this.size = size;
  }

  /** Map with the given entries; a later entry replaces an earlier one of the same key. */
  static of<K extends Key, V>(entries: Iterable<readonly [K, V]> = []): SortedMap<K, V> {
    const empty = new SortedMap<K, V>({ owner: {}, keys: [], children: undefined, values: [] }, 0);
    const edit = empty.edit();
    for (const [key, value] of entries) edit.set(key, value);
    return edit.done();
  }

  get(key: K): V | undefined {
    return find(this.#root, key);
  }

  has(key: K): boolean {
    return contains(this.#root, key);
  }

  forEach(visit: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const { keys, values } of leaves(this.#root)) keys.forEach((key, at) => visit(values[at] as V, key, this));
  }

  *keys(): Generator<K, undefined> {
    for (const { keys } of leaves(this.#root)) yield* keys;
  }

  *values(): Generator<V, undefined> {
    for (const { values } of leaves(this.#root)) yield* values;
  }

  *entries(): Generator<[K, V], undefined> {
    for (const { keys, values } of leaves(this.#root))
      for (let at = 0; at < keys.length; at++) yield [keys[at] as K, values[at] as V];
  }

  [Symbol.iterator](): Generator<[K, V], undefined> {
    return this.entries();
  }

  /** Begins a series of changes; this map stays as it is. */
  edit(): SortedMapEdit<K, V> {
    return new SortedMapEdit(this.#root, this.size, (root, size) => {
      return root === this.#root ? this : new SortedMap(root, size);
    });
  }
}

/** Series of changes to a `SortedMap`. A node is copied at its first change and then changed in place. */
export class SortedMapEdit<K extends Key, V> {
  readonly #owner = {};
  readonly #result: (root: Node<K, V>, size: number) => SortedMap<K, V>;
  #root: Node<K, V>;
  #size: number;
  #isDone = false;

  constructor(root: Node<K, V>, size: number, result: (root: Node<K, V>, size: number) => SortedMap<K, V>) {
    this.#root = root;
    this.#size = size;
    this.#result = result;
  }

  get size(): number {
    return this.#size;
  }

  get(key: K): V | undefined {
    return find(this.#root, key);
  }

  has(key: K): boolean {
    return contains(this.#root, key);
  }

  set(key: K, value: V): this {
    invariant(!this.#isDone, "an edit that is done changes no more");
    this.#root = this.#owned(this.#root);
    const right = this.#put(this.#root, key, value);
    if (right !== undefined) {
      const left = this.#root;
      const keys = [entryAt(left.keys, 0), entryAt(right.keys, 0)];
      this.#root = { owner: this.#owner, keys, children: [left, right], values: [] };
    }
    return this;
  }

  /** Removes `key`; false if it is not in the map. */
  delete(key: K): boolean {
    invariant(!this.#isDone, "an edit that is done changes no more");
    if (!this.has(key)) return false;
    this.#root = this.#owned(this.#root);
    this.#remove(this.#root, key);
    this.#size--;
    while (this.#root.children?.length === 1) this.#root = entryAt(this.#root.children, 0);
    return true;
  }

  /** Map with all changes, which is the original one if there are none. Ends the edit. */
  done(): SortedMap<K, V> {
    this.#isDone = true;
    return this.#result(this.#root, this.#size);
  }

  #owned(node: Node<K, V>): Node<K, V> {
    if (node.owner === this.#owner) return node;
    const { keys, children, values } = node;
    return { owner: this.#owner, keys: [...keys], children: children && [...children], values: [...values] };
  }

  #ownedChild(children: Node<K, V>[], at: number): Node<K, V> {
    const child = this.#owned(entryAt(children, at));
    children[at] = child;
    return child;
  }

  /** Puts an entry below `node`; returns the new right-hand neighbour of `node` if it was split. */
  #put(node: Node<K, V>, key: K, value: V): Node<K, V> | undefined {
    const { keys, children, values } = node;
    const at = floorOf(keys, key);
    if (children === undefined) {
      if (at >= 0 && keys[at] === key) {
        values[at] = value;
        return undefined;
      }
      keys.splice(at + 1, 0, key);
      values.splice(at + 1, 0, value);
      this.#size++;
    } else {
      const child = Math.max(0, at);
      const right = this.#put(this.#ownedChild(children, child), key, value);
      if (right === undefined) return undefined;
      keys.splice(child + 1, 0, entryAt(right.keys, 0));
      children.splice(child + 1, 0, right);
    }
    return keys.length > WIDTH ? this.#split(node, at + 1) : undefined;
  }

  /** Moves the upper half to a new node; only the last entry if keys arrive in ascending order, so nodes stay full. */
  #split({ keys, children, values }: Node<K, V>, added: number): Node<K, V> {
    const from = added === keys.length - 1 ? added : keys.length >>> 1;
    return {
      owner: this.#owner,
      keys: keys.splice(from),
      children: children?.splice(from),
      values: values.splice(from),
    };
  }

  #remove(node: Node<K, V>, key: K): void {
    const { keys, children, values } = node;
    const at = Math.max(0, floorOf(keys, key));
    if (children === undefined) {
      keys.splice(at, 1);
      values.splice(at, 1);
      return;
    }
    this.#remove(this.#ownedChild(children, at), key);
    const left = at === 0 ? 0 : at - 1;
    if (left + 1 < children.length) this.#mergeSmall(node, left);
  }

  /** Merges a child and its right-hand neighbour if both together are at most half full. */
  #mergeSmall(node: Node<K, V>, at: number): void {
    const { keys, children } = node;
    if (children === undefined) return;
    const right = entryAt(children, at + 1);
    if (entryAt(children, at).keys.length + right.keys.length > WIDTH / 2) return;
    const left = this.#ownedChild(children, at);
    left.keys.push(...right.keys);
    left.values.push(...right.values);
    if (left.children !== undefined && right.children !== undefined) left.children.push(...right.children);
    keys.splice(at + 1, 1);
    children.splice(at + 1, 1);
  }
}
