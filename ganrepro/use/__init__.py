"""What a person does with a trained model: load it, translate with it, export, import, score and show it."""
