"""Commands that are an engine, and the engine that stays behind them."""
