"""The drawing page: a server that keeps sketches and shows at once what generators make of them."""
