/** A small JSON object that all tabs of this browser share. It is kept in local storage, or in memory where that is blocked. */

/** @template {object} Value */
export class SharedRecord {
  #key;
  #initial;
  /** @type {Value} */
  #value;
  #onChange;

  /** @param {string} key @param {Value} initial @param {() => void} [onChange] called when another tab has changed the record */
  constructor(key, initial, onChange = () => {}) {
    this.#key = key;
    this.#initial = initial;
    this.#value = initial;
    this.#onChange = onChange;
    this.#read();
    addEventListener("storage", (event) => {
      if (event.key !== key) return;
      this.#read();
      this.#onChange();
    });
  }

  /** @returns {Readonly<Value>} */
  get value() {
    return this.#value;
  }

  /** Replaces fields of the record. @param {Partial<Value>} fields */
  update(fields) {
    // Another tab may have changed other fields just now.
    this.#read();
    this.#write({ ...this.#value, ...fields });
  }

  /** Replaces the record. @param {Value} value */
  replace(value) {
    this.#write(value);
  }

  #read() {
    try {
      const stored = JSON.parse(localStorage.getItem(this.#key) ?? "null");
      if (stored && typeof stored === "object") this.#value = { ...this.#initial, ...stored };
    } catch {
      // Storage is blocked, or the stored record is invalid: keep the record in memory.
    }
  }

  /** @param {Value} value */
  #write(value) {
    this.#value = value;
    try {
      localStorage.setItem(this.#key, JSON.stringify(value));
    } catch {
      // Storage is blocked or full: the record lasts only as long as the page is open.
    }
  }
}
