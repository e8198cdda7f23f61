/** What there is to say to a person who cannot go on, and what they can do. */
export class Problem extends Error {
  constructor(
    readonly title: string,
    message: string,
  ) {
    super(message);
  }
}
