// The parts of the page; tests look into them.

export const page = {};
