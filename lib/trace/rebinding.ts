/** Counts how often the tensor of a parameter became another one, so that whoever keeps its number can tell. */
export const rebinding = { count: 0 };
