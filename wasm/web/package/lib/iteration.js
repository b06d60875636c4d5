// What is its own iterator, in `for … of` and in `for await … of`.

/** Runs once, by the `next` and the `return` of what extends it. */
export class Iteration {
  [Symbol.iterator]() {
    return this;
  }

  [Symbol.asyncIterator]() {
    return {
      next: async () => this.next(),
      return: async (value) => this.return(value),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
}
