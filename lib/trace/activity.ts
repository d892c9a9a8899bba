/** What is going on in this thread that other things must not interrupt. */
export const activity = {
  /** How many forwards are running, one inside the other. */
  forwards: 0,
};
