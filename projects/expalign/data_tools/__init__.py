"""Reading, checking and converting of data sets."""
